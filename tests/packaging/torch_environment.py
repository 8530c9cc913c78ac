"""Installs one torch version, without CUDA, into a folder that many environments can share.

    python torch_environment.py FOLDER TORCH_VERSION [REQUIREMENT ...]

Where a package index offers only CUDA builds of a torch version, installing it brings 3 GB or more
of CUDA libraries that no CPU test uses. So torch is installed without its CUDA requirements, and
the CUDA libraries that it is linked with are replaced by stubs beside it: every function they
should define exists and returns "no device", those that give an error's text give one. torch then
imports and works on the CPU. A CPU build needs no stubs and gets none. For tests only.

FOLDER ends up with torch, its other requirements and the REQUIREMENTs; an environment uses it
through a .pth file that names it.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

_CUDA_SYMBOL = re.compile(
    r"cu|__cuda|nccl|nvshmem|nvrtc|nvJit|nvtx|cudnn|cupti|_ZN[59]cudnn"  # C and C++ interfaces
)
_CUDA_LIBRARY = re.compile(r"lib(cu|nv|nccl)")
_CUDA_REQUIREMENT = re.compile(r"(nvidia|triton|pytorch-triton|cuda)\b")
# Holds all stubbed functions: of the libraries torch links, the one without versioned symbols
# (the loader stops at an unversioned definition of a symbol asked for with a version).
_STUB_HOLDER = "libcurand"
_CUDA_ERROR_NO_DEVICE = 100
# What torch asks for the text of an error. The profiler does so where an extension, like torch_npu,
# makes it look for devices.
_RETURNS_TEXT = re.compile(r"cudaGetError(String|Name)$")
_STORES_TEXT = re.compile(r"cuptiGetResultString$")  # in its second argument


def _pip_install(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
    subprocess.run([*command, *arguments], check=True)


def _requirements_without_cuda(folder: Path) -> list[str]:
    """What the installed torch asks for, less the CUDA packages and the optional extras."""
    (torch,) = importlib.metadata.distributions(name="torch", path=[str(folder)])
    return [
        line
        for line in torch.requires or []
        if not _CUDA_REQUIREMENT.match(line) and "extra ==" not in line
    ]


def _dynamic_symbols(library: Path, kind: str) -> set[str]:
    """Names of the defined or undefined non-weak dynamic symbols of a library."""
    text = subprocess.run(
        ["nm", "-D", f"--{kind}-only", str(library)], capture_output=True, text=True, check=False
    ).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[-1].split("@")[0] for row in rows if len(row) >= 2 and row[-2] not in "wv"}


def _needed_libraries(library: Path) -> list[str]:
    text = subprocess.run(
        ["readelf", "-d", str(library)], capture_output=True, text=True, check=True
    ).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", text)


def _link(output: Path, source: Path) -> None:
    soname = f"-Wl,-soname,{output.name}"
    command = ["cc", "-shared", "-fPIC", "-nostdlib", soname, "-o", str(output), str(source)]
    subprocess.run(command, check=True)


def _function(names: Iterable[str], x86: str, arm: str) -> str:
    """One body with all names as labels."""
    labels = "".join(f".globl {name}\n.type {name}, %function\n{name}:\n" for name in names)
    return f"{labels}#ifdef __x86_64__\n{x86}\n#else\n{arm}\n#endif\nret\n"


def _assembly(functions: Iterable[str]) -> str:
    """Functions that return the error or, where they are asked for it, its text."""
    names = set(functions)
    returns = sorted(filter(_RETURNS_TEXT.match, names))
    stores = sorted(filter(_STORES_TEXT.match, names))
    value = _CUDA_ERROR_NO_DEVICE
    x86, arm = f"movl ${value}, %eax", f"mov w0, #{value}"
    x86_text = "leaq fa_text(%rip), %rax"
    arm_text = "adrp x8, fa_text\nadd x8, x8, :lo12:fa_text"
    return "\n".join(
        [
            ".text",
            _function(sorted(names - {*returns, *stores}), x86, arm),
            _function(returns, x86_text, f"{arm_text}\nmov x0, x8"),
            _function(
                stores, f"{x86_text}\nmovq %rax, (%rsi)\n{x86}", f"{arm_text}\nstr x8, [x1]\n{arm}"
            ),
            '.section .rodata\nfa_text: .asciz "no device"',
            '.section .note.GNU-stack,"",%progbits\n',
        ]
    )


def write_cuda_stubs(folder: Path) -> int:
    """Writes the stubs that the torch in `folder` needs; the number of stubbed functions."""
    libraries = [p for p in folder.glob("torch/lib/*.so*") if "nvrtc" not in p.name]
    defined = set().union(*(_dynamic_symbols(library, "defined") for library in libraries))
    undefined = set().union(*(_dynamic_symbols(library, "undefined") for library in libraries))
    functions = sorted(name for name in undefined - defined if _CUDA_SYMBOL.match(name))
    needed = {name for library in libraries for name in _needed_libraries(library)}
    absent = {
        n for n in needed if _CUDA_LIBRARY.match(n) and not (folder / "torch/lib" / n).exists()
    }
    if not absent:
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        full = Path(temporary, "functions.S")
        full.write_text(_assembly(functions))
        empty = Path(temporary, "empty.S")
        empty.write_text(_assembly(["fa_stub"]))
        for name in absent:
            _link(folder / "torch/lib" / name, full if name.startswith(_STUB_HOLDER) else empty)
    return len(functions)


def install(folder: Path, version: str, requirements: Iterable[str]) -> None:
    """Fills `folder`, from nothing; see the module's text."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _pip_install(folder, "--no-deps", f"torch=={version}")
    # Releases before 2.3 are compiled against numpy 1.
    old = tuple(map(int, version.split(".")[:2])) < (2, 3)
    numpy = ["numpy<2"] if old else []
    _pip_install(folder, *_requirements_without_cuda(folder), *requirements, *numpy)
    count = write_cuda_stubs(folder)
    print(f"torch {version} in {folder}; stubbed CUDA functions: {count}")


if __name__ == "__main__":
    install(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
