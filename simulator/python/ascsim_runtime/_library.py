"""Where the built libraries are, and how a process gets them."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_USUAL = ("build/cann/lib",)
_NAMES = ("ascendcl", "hccl", "acl_op_compiler", "ge_runner", "graph", "acl_tdt_channel", "opapi")


def libraries() -> Path:
    """The folder of the libraries: that of ASCSIM_CANN_LIB, or of a build in its usual place.

    Raises:
      FileNotFoundError: nothing is built there.
    """
    chosen = os.environ.get("ASCSIM_CANN_LIB")
    candidates = [Path(chosen)] if chosen else [_ROOT / name for name in _USUAL]
    for folder in candidates:
        if (folder / "libascendcl.so").exists():
            return folder.resolve()
    places = ", ".join(str(folder) for folder in candidates)
    raise FileNotFoundError(
        f"no simulated CANN runtime in {places}; build it: "
        "cmake -S simulator/cann_runtime -B build/cann && cmake --build build/cann"
    )


def _before(folder: Path, variable: str) -> str:
    rest = os.environ.get(variable)
    return f"{folder}{os.pathsep}{rest}" if rest else str(folder)


def environment() -> dict[str, str]:
    """Variables, beyond those that are set, with which a new process finds runtime and package."""
    return {
        "ASCSIM_CANN_LIB": str(libraries()),
        "LD_LIBRARY_PATH": _before(libraries(), "LD_LIBRARY_PATH"),
        "PYTHONPATH": _before(Path(__file__).resolve().parents[1], "PYTHONPATH"),
    }


def activate() -> None:
    """Loads the libraries into this process, so that a later import of torch_npu finds them.

    Raises:
      RuntimeError: torch_npu is loaded already, with another runtime.
      FileNotFoundError: see `libraries`.
    """
    if "torch_npu" in sys.modules and "ascsim" not in Path("/proc/self/maps").read_text():
        raise RuntimeError("torch_npu is loaded already: call activate() before importing torch")
    for name in _NAMES:
        ctypes.CDLL(str(libraries() / f"lib{name}.so"), mode=ctypes.RTLD_GLOBAL)
