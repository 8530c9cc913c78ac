"""The marker package: what it claims, what it adds, and that it goes away without a trace."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from builds import PACKAGES, ROOT, Built, run

PACKAGE = ROOT / "packages/flash-attn-npu-compat"
MARKERS = {"flash_attn": "2.8.3", "flash_attn_3": "3.0.0"}
METADATA = """
import importlib.metadata as metadata, json
found = metadata.packages_distributions()
print(json.dumps({
    "versions": [metadata.version(name) for name in ("flash_attn", "flash-attn", "flash-attn-3")],
    "flash_attn": found.get("flash_attn"),
    "flash_attn_interface": found.get("flash_attn_interface"),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Built:
    target = tmp_path_factory.mktemp("compat")
    command = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", target)
    done = run(sys.executable, *command, PACKAGE)
    assert done.returncode == 0, done.stdout
    return Built(next(target.glob("*.whl")), done.stdout)


@pytest.fixture
def python(tmp_path: Path, wheel: Built) -> Path:
    """Python of a new environment with the marker package alone."""
    assert run(sys.executable, "-m", "venv", tmp_path / "environment").returncode == 0
    executable = tmp_path / "environment/bin/python"
    done = run(executable, "-m", "pip", "install", "--quiet", "--no-deps", wheel.path)
    assert done.returncode == 0, done.stdout
    return executable


def test_wheel_holds_markers_and_no_code(wheel: Built) -> None:
    assert wheel.path.name.endswith("-py3-none-any.whl")
    marked = {f"{name}-{version}.egg-info" for name, version in MARKERS.items()}
    folders = {name.split("/")[0] for name in wheel.names}
    assert {name for name in folders if not name.endswith(".dist-info")} == marked
    assert not [name for name in wheel.names if name.endswith((".py", ".so", ".pth"))]


def test_markers_name_what_the_packages_hold() -> None:
    """Level of the interface and top-level modules are those of the two packages."""
    init = (ROOT / "packages/flash-attn-npu-v2/src/flash_attn/__init__.py").read_text()
    assert f'__version__ = "{MARKERS["flash_attn"]}"' in init
    for marker, package in zip(MARKERS, PACKAGES, strict=True):
        text = (PACKAGE / "markers" / marker / "PKG-INFO").read_text()
        assert f"\nVersion: {MARKERS[marker]}\n" in text
        tops = (PACKAGE / "markers" / marker / "top_level.txt").read_text().split()
        source = ROOT / "packages" / package / "src"
        assert all((source / top).is_dir() or (source / f"{top}.py").exists() for top in tops)
        assert PACKAGES[package] in tops


def test_what_clients_ask_for(python: Path) -> None:
    answer = json.loads(run(python, "-c", METADATA).stdout)
    assert answer["versions"] == ["2.8.3", "2.8.3", "3.0.0"]
    assert answer["flash_attn"] == ["flash_attn"]
    assert answer["flash_attn_interface"] == ["flash_attn_3"]


def test_removing_a_marker_removes_no_code(python: Path) -> None:
    """Without a list of files, uninstalling flash-attn would take the module of that name along."""
    (site,) = python.parents[1].glob("lib/python3*/site-packages")
    module = site / "flash_attn/__init__.py"
    module.parent.mkdir()
    module.touch()
    done = run(python, "-m", "pip", "uninstall", "--yes", "flash-attn")
    assert done.returncode == 0, done.stdout
    assert module.exists()
    assert not list(site.glob("flash_attn-*"))


def test_removing_the_package_removes_the_markers(python: Path) -> None:
    (site,) = python.parents[1].glob("lib/python3*/site-packages")
    assert len(list(site.glob("*.egg-info"))) == len(MARKERS)
    done = run(python, "-m", "pip", "uninstall", "--yes", "flash-attn-npu-compat")
    assert done.returncode == 0, done.stdout
    assert not [p for p in site.iterdir() if re.match("flash.attn", p.name)]
