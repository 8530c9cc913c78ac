"""Every header of the core compiles alone."""

from __future__ import annotations

import os
import runpy
import shlex
import subprocess
from pathlib import Path

import pytest

from .tree import ROOT, relative, tracked

# Text that several files include inside their own namespace.
FRAGMENTS = {
    "core_kernels/src/cpu/isa/few_kernels.h",
    "core_kernels/src/cpu/isa/few_pair_kernels.h",
    "core_kernels/src/cpu/isa/key_parts.h",
    "core_kernels/src/cpu/isa/pair_kernels.h",
    "core_kernels/src/cpu/isa/row_kernels_impl.h",
    "core_kernels/src/cpu/isa/strip_kernels.h",
    "core_kernels/src/cpu/isa/strip_scores.h",
    "core_kernels/src/cpu/isa/vector_math.h",
}
HEADERS = [p for p in tracked("core_kernels/include/*", "core_kernels/src/*") if p.suffix == ".h"]


def _passes(header: Path) -> list[list[str]]:
    """Further arguments of each compilation: device code is compiled for both kinds of cores."""
    if not relative(header).startswith("core_kernels/src/npu/kernels/"):
        return [[]]
    catlass = runpy.run_path(str(ROOT / "third_party/catlass.py"))["existing"]()
    assert catlass, "run `python third_party/catlass.py` first"
    common = [f"-I{ROOT / 'simulator/include'}", f"-isystem{catlass}", "-DCATLASS_ARCH=2201"]
    return [[*common, f"-D__DAV_C220_{core}__"] for core in ("CUBE", "VEC")]


@pytest.mark.parametrize(
    "header", [h for h in HEADERS if relative(h) not in FRAGMENTS], ids=relative
)
def test_compiles_alone(header: Path) -> None:
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    include = [f"-I{ROOT / 'core_kernels' / folder}" for folder in ("include", "src")]
    command = [*compiler, "-std=c++17", "-fsyntax-only", *include]
    for more in _passes(header):
        done = subprocess.run(
            [*command, *more, "-include", str(header), "-x", "c++", "-"],
            input="", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "#pragma once" in header.read_text()


def test_fragments_exist() -> None:
    assert {relative(header) for header in HEADERS} >= FRAGMENTS
