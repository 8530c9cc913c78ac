"""What must not be in the repository, and what must be in it more than once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .tree import ROOT, relative, tracked

PACKAGES = ("packages/flash-attn-npu-v2", "packages/flash-attn-npu-v3")
# Written in parts so that this file does not match itself.
_FOLDERS = ("home/\\w", "root/", "Users/\\w", "work/", "tmp/", "opt/(?!cann|ascend)")
_SETTING = "[\\s=:]+\\S*/"  # the name of the setting alone is no address
_INDEXES = (
    "index-url" + _SETTING,
    "find-links" + _SETTING,
    "pypi\\." + "org",
    "files\\.python" + "hosted",
)
HOST_SPECIFIC = re.compile("|".join([*(rf"(?<![\w.]){'/' + f}" for f in _FOLDERS), *_INDEXES]))
TEXTS = [path for path in tracked() if b"\0" not in path.read_bytes()[:8192]]


def test_some_texts() -> None:
    assert len(TEXTS) > 50


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_nothing_of_one_machine(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if HOST_SPECIFIC.search(line)]
    assert not found, "paths of one machine and addresses of package indexes do not belong here"


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_line_ends(path: Path) -> None:
    data = path.read_bytes()
    assert b"\r" not in data
    assert not data or data.endswith(b"\n")
    assert not re.search(rb"[ \t]\n", data)


def test_no_large_files() -> None:
    assert not [relative(path) for path in tracked() if path.stat().st_size > 1_000_000]


@pytest.mark.parametrize("package", [*PACKAGES, "packages/flash-attn-npu-compat"])
def test_licence_is_the_same_everywhere(package: str) -> None:
    assert (ROOT / package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_packages_are_built_alike() -> None:
    """The two packages differ in their names only: a fix of one is not forgotten in the other."""

    def unnamed(package: str, name: str) -> str:
        text = (ROOT / package / name).read_text()
        return re.sub(r"flash_attn_interface|flash_attn|v[23]", "?", text)

    for name in ("pyproject.toml", "hatch_build.py"):
        assert unnamed(PACKAGES[0], name) == unnamed(PACKAGES[1], name)


@pytest.mark.parametrize("package", PACKAGES)
def test_shared_sources_are_links(package: str) -> None:
    (source,) = (path.parent for path in (ROOT / package / "src").glob("*/_wheel.py"))
    assert (source / "_common").readlink() == Path("../../../common/fa_common")
    assert (source / "_C.pyi").readlink() == Path("../../../common/bindings/_C.pyi")
