"""Kernels as clang reads them: bisheng is a clang, and refuses some of what g++ takes.

The front end only, both passes. The clang is that of the package ziglang, or clang++ if that is
not there.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import BUILD, ROOT

KERNELS = sorted((ROOT / "tests/simulator/kernels").glob("*.cpp"))
CATLASS_KERNELS = sorted((ROOT / "tests/simulator/catlass").glob("*.cpp"))
NPU = ROOT / "core_kernels/src/npu"
NPU_KERNELS = sorted((NPU / "kernels").glob("*.cpp"))
PASSES = {"AIC": "__DAV_C220_CUBE__", "AIV": "__DAV_C220_VEC__"}
# Narrowing is an error for bisheng, not for g++. Each pass needs a part of the functions only.
FLAGS = ("-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Werror=c++11-narrowing",
         "-Wno-unneeded-internal-declaration")  # fmt: skip


def clang() -> list[str]:
    """The command; empty if there is no clang."""
    package = importlib.util.find_spec("ziglang")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent
        command = [str(folder / "zig"), "clang", "--driver-mode=g++", "--target=x86_64-linux-gnu"]
        return [*command, "-isystem", str(folder / "lib/include")]
    compiler = os.environ.get("CLANGXX") or shutil.which("clang++")
    return [compiler] if compiler else []


def complaints(source: Path, core: str, *flags: str) -> str:
    command = clang()
    if not command:
        pytest.skip("no clang: pip install ziglang")
    defines = [f"-D{name}" for name in (PASSES[core], "__NPU_ARCH__=2201", "CATLASS_ARCH=2201")]
    include = ["-I", str(ROOT / "simulator/include"), "-include", "kernel_operator.h"]
    run = [*command, *FLAGS, *defines, *include, *flags, str(source)]
    return subprocess.run(run, capture_output=True, text=True, check=False).stderr


def catlass_include() -> str:
    """What the build folder was configured with."""
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("CATLASS_INCLUDE:"):
            return line.partition("=")[2]
    return ""


@pytest.mark.parametrize("core", PASSES)
@pytest.mark.parametrize("source", KERNELS, ids=lambda path: path.stem)
def test_kernels(source: Path, core: str) -> None:
    assert complaints(source, core, "-std=c++17") == ""


@pytest.mark.parametrize("core", PASSES)
@pytest.mark.parametrize("source", CATLASS_KERNELS, ids=lambda path: path.stem)
def test_catlass(source: Path, core: str) -> None:
    include = catlass_include()
    if not include:
        pytest.skip("configured without CATLASS")
    assert complaints(source, core, "-std=c++20", "-isystem", include) == ""


@pytest.mark.parametrize("core", PASSES)
@pytest.mark.parametrize("source", NPU_KERNELS, ids=lambda path: path.stem)
def test_npu_kernels(source: Path, core: str) -> None:
    include = ["-I", str(NPU.parent), "-I", str(NPU.parents[1] / "include")]
    include += ["-isystem", catlass_include()]
    assert complaints(source, core, "-std=c++17", *include) == ""


def test_narrowing_is_refused(tmp_path: Path) -> None:
    """What g++ takes with a warning."""
    source = tmp_path / "narrow.cpp"
    source.write_text("struct P { unsigned short n; };\nP make(int n) { return P{n}; }\n")
    assert "narrow" in complaints(source, "AIV", "-std=c++17")
