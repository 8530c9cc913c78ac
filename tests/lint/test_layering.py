"""Includes and imports follow the tables of layers.py."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from . import layers
from .tree import ROOT, relative, tracked

NATIVE = [
    path
    for path in tracked("core_kernels/*", "packages/common/bindings/*", "simulator/*")
    if path.suffix in {".h", ".cpp", ".inc"}
]
PYTHON = [
    (path, folder)
    for folder in layers.PYTHON_MAY_IMPORT
    for path in tracked(f"{folder}/*.py", f"{folder}/**/*.py")
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)


def layer_of(path: str) -> str:
    for folder, layer in layers.CORE_LAYERS.items():
        if path.startswith(folder + "/"):
            return layer
    raise AssertionError(f"{path}: its folder is not in CORE_LAYERS of tests/lint/layers.py")


def resolve(including: Path, name: str) -> str | None:
    """Path below the root of an included file of ours; None if it is not ours."""
    roots: tuple[str, ...]
    if relative(including).startswith("simulator/cann_runtime/"):
        roots = ("simulator/cann_runtime", "simulator/cann_runtime/include")
    elif relative(including).startswith("simulator/"):
        roots = ("simulator/include", "simulator")
    else:
        roots = ("core_kernels/src", "core_kernels/include")
    for folder in (including.parent, *(ROOT / root for root in roots)):
        if (folder / name).is_file():
            return relative((folder / name).resolve())
    return None


def is_standard(name: str) -> bool:
    return re.fullmatch(r"[a-z_]+", name) is not None


def include_fault(path: Path, name: str) -> str | None:
    """Why `path` may not include `name`, or None."""
    layer = layer_of(relative(path))
    target = resolve(path, name)
    if target is None:
        foreign = layers.FOREIGN_HEADERS["*"] | layers.FOREIGN_HEADERS.get(layer, set())
        if any(name == entry or (entry[-1] == "/" and name.startswith(entry)) for entry in foreign):
            return None
        if not is_standard(name):
            return "not a header of this layer"
        if layer == "isa" and name not in layers.ISA_STANDARD_HEADERS:
            return "may bring inline functions into an ISA file"
        return None
    if target in layers.CORE_MAY_INCLUDE_HEADER.get(layer, set()):
        return None
    wanted = layer_of(target)
    if wanted == layer or wanted in layers.CORE_MAY_INCLUDE[layer]:
        return None
    return f"layer {layer!r} may not include layer {wanted!r}"


def import_names(path: Path) -> list[str]:
    """Absolute module names that a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(str(node.module))
    return names


def test_native_files_found() -> None:
    assert len(NATIVE) > 20
    assert {layer_of(relative(path)) for path in NATIVE} >= {
        "public",
        "problem",
        "plan",
        "cpu",
        "isa",
    }


@pytest.mark.parametrize("path", NATIVE, ids=relative)
def test_includes(path: Path) -> None:
    names = [name for _, name in INCLUDE.findall(path.read_text())]
    faults = {name: include_fault(path, name) for name in names}
    assert not {name: fault for name, fault in faults.items() if fault}


def test_a_forbidden_include_is_found() -> None:
    problem = ROOT / "core_kernels/src/problem/anything.cpp"
    assert include_fault(problem, "cpu/microkernel.h")
    assert include_fault(problem, "torch/torch.h")
    assert include_fault(problem, "pybind11/pybind11.h")
    assert include_fault(ROOT / "core_kernels/src/cpu/isa/any.cpp", "vector")
    assert not include_fault(ROOT / "core_kernels/src/cpu/any.cpp", "vector")


@pytest.mark.parametrize(("path", "folder"), PYTHON, ids=lambda value: Path(value).name)
def test_imports(path: Path, folder: str) -> None:
    own = Path(folder).name
    allowed = layers.PYTHON_MAY_IMPORT[folder] | {own} | set(sys.stdlib_module_names)
    foreign = {name for name in import_names(path) if name.split(".")[0] not in allowed}
    assert not foreign, f"{folder} may import {layers.PYTHON_MAY_IMPORT[folder]} only"
