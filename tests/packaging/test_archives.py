"""What is in the wheels and the sdists."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builds import PACKAGES, ROOT, Built, core_events, module_events

pytestmark = pytest.mark.parametrize("package", PACKAGES)
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


@pytest.fixture
def module(package: str, wheels: dict[str, Built], tmp_path: Path) -> Path:
    """The native module, taken out of the wheel."""
    name = f"{PACKAGES[package]}/_C{SUFFIX}"
    return Path(zipfile.ZipFile(wheels[package].path).extract(name, tmp_path))


def metadata(wheel: Built) -> email.message.Message:
    (name,) = (n for n in wheel.names if n.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(zipfile.ZipFile(wheel.path).read(name))


def test_wheel_holds_what_it_needs(package: str, wheels: dict[str, Built]) -> None:
    top = PACKAGES[package]
    needed = {f"_C{SUFFIX}", "_C.pyi", "py.typed", "__init__.py", "_common/__init__.py"}
    assert wheels[package].names >= {f"{top}/{name}" for name in needed}
    assert any(re.search(r"\.dist-info/licenses/LICENSE$", n) for n in wheels[package].names)


def test_wheel_holds_nothing_else(package: str, wheels: dict[str, Built]) -> None:
    top = PACKAGES[package]
    # Names that clients of the originals import, besides the package itself.
    source = ROOT / "packages" / package / "src"
    others = {str(p.relative_to(source)) for p in source.rglob("*.py")}
    extra = {
        name
        for name in wheels[package].names - others
        if not re.fullmatch(rf"{top}/(.+\.py|py\.typed|_C\.pyi|_C{re.escape(SUFFIX)})", name)
        and ".dist-info/" not in name
    }
    assert not extra


def test_wheel_has_every_module_of_the_sources(package: str, wheels: dict[str, Built]) -> None:
    source = ROOT / "packages" / package / "src" / PACKAGES[package]
    common = ROOT / "packages/common/fa_common"
    modules = {p.relative_to(source.parent) for p in source.rglob("*.py")}
    modules |= {Path(source.name, "_common", p.relative_to(common)) for p in common.rglob("*.py")}
    assert {str(path) for path in modules} <= wheels[package].names


def test_wheel_tag(package: str, wheels: dict[str, Built]) -> None:
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheels[package].path.name.endswith(f"-{python}-{python}-{platform}.whl")


def test_metadata(package: str, wheels: dict[str, Built]) -> None:
    fields = metadata(wheels[package])
    assert fields["Name"] == package
    assert fields["Requires-Python"] == ">=3.10"
    assert fields["License-Expression"] == "BSD-3-Clause"
    assert fields.get_all("Requires-Dist") == ["torch>=2.1"]


def test_torch_is_no_build_requirement(package: str, wheels: dict[str, Built]) -> None:
    settings = (ROOT / "packages" / package / "pyproject.toml").read_text()
    (requires,) = re.findall(r"^requires = (.+)$", settings, re.MULTILINE)
    assert "hatchling" in requires
    assert "torch" not in requires
    assert "Collecting hatchling" in wheels[package].log  # pip did list what it installed
    assert "Collecting torch" not in wheels[package].log


@pytest.mark.parametrize("events", [core_events, module_events])
def test_core_and_module_are_built_once(
    package: str, wheels: dict[str, Built], events: Callable[[str], list[str]]
) -> None:
    assert sorted(event for wheel in wheels.values() for event in events(wheel.log)) == [
        "built",
        "reused",
    ]
    assert len(events(wheels[package].log)) == 1


def test_libraries(package: str, module: Path) -> None:
    dynamic = subprocess.run(
        ["readelf", "-d", str(module)], capture_output=True, text=True, check=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
    allowed = r"(libstdc\+\+|libgcc_s|libm|libc|libdl|libpthread|ld-linux-[\w-]+)\.so\.\d+"
    assert needed
    assert all(re.fullmatch(allowed, name) for name in needed)
    assert not re.search("RPATH|RUNPATH", dynamic)
    loaded = subprocess.run(["ldd", str(module)], capture_output=True, text=True, check=True).stdout
    assert "libtorch" not in loaded
    assert "not found" not in loaded


def test_only_the_init_function_is_exported(package: str, module: Path) -> None:
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(module)], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[-1] for line in listing.splitlines()] == ["PyInit__C"]


def test_sdist_carries_the_core_and_the_bindings(package: str, sdists: dict[str, Built]) -> None:
    sources = {
        (ROOT / "core_kernels", "core_kernels"),
        (ROOT / "packages/common/bindings", "common/bindings"),
        (ROOT / "packages/common/fa_common", f"src/{PACKAGES[package]}/_common"),
    }
    wanted = {
        f"{inside}/{path.relative_to(folder)}"
        for folder, inside in sources
        for path in folder.rglob("*")
        if path.suffix in {".cpp", ".h", ".inc", ".py", ".in", ".cmake"}
        and not {"build", "__pycache__"} & set(path.parts)
    }
    assert wanted <= sdists[package].names
    assert "common/CMakeLists.txt" in sdists[package].names
    binary = {name for name in sdists[package].names if name.endswith((".so", ".a", ".o", ".pyc"))}
    assert not binary
