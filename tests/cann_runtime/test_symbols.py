"""The lists of functions that each torch_npu links, and what answers them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import ascsim_runtime
from cann_runtime.conftest import ROOT

SYMBOLS = ROOT / "simulator/cann_runtime/symbols"
LISTS = sorted(SYMBOLS.glob("torch_npu-*.txt"))
sys.path.insert(0, str(ROOT / "simulator/tools"))
sys.path.insert(0, str(SYMBOLS.parent))

import generate_stubs  # noqa: E402
import torch_npu_symbols  # noqa: E402


def exported() -> dict[str, str]:
    """Names that the runtime defines, with nm's letter: W for what is only a stub."""
    library = ascsim_runtime.libraries() / "libascsim_cann.so"
    text = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    return {row[2]: row[1] for row in map(str.split, text.splitlines()) if len(row) == 3}


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_every_linked_function_is_there(path: Path) -> None:
    names = path.read_text().split()
    assert names == sorted(set(names))
    assert len(names) > 50
    assert not set(names) - set(exported())


def test_inert_functions_are_linked_by_some_version() -> None:
    names = generate_stubs.linked_names()
    for pattern in generate_stubs.inert_patterns():
        stem = pattern.rstrip("*")
        assert any(n == pattern or (pattern != stem and n.startswith(stem)) for n in names), pattern


def test_nothing_is_both_written_and_inert() -> None:
    from fnmatch import fnmatchcase

    written = {name for name, kind in exported().items() if kind == "T"}
    for pattern in generate_stubs.inert_patterns():
        assert not [name for name in written if fnmatchcase(name, pattern)], pattern


def test_list_of_the_installed_version() -> None:
    found = importlib.util.find_spec("torch_npu")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no torch_npu in this environment")
    version = importlib.metadata.version("torch_npu")
    path = SYMBOLS / f"torch_npu-{version}.txt"
    folder = Path(found.submodule_search_locations[0])
    names = torch_npu_symbols.wanted_symbols(folder)
    assert path.exists(), (
        f"new version: python simulator/tools/torch_npu_symbols.py {folder} > {path}"
    )
    assert path.read_text().split() == names
