"""What is installed and in use, for bug reports."""

from __future__ import annotations

import platform

import torch

from .wheel import DISTRIBUTION, native, version


def info() -> dict[str, str]:
    """Returns versions, back ends, instruction sets, kernels and thread count, by name."""
    return {
        DISTRIBUTION: version,
        "core": f"{native.CORE_VERSION}, ABI {native.ABI_VERSION}",
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "isa": f"{native.isa()} of {', '.join(native.isas())}",
        "threads": str(torch.get_num_threads()),
        "backends": "; ".join(f"{name}: {why or 'ready'}" for name, why in native.backends()),
        **{f"npu {name}": text for name, text in native.npu()},
        "mutant": native.mutant() or "none",
    }


def report() -> str:
    """Returns `info` as lines of text."""
    return "\n".join(f"{name}: {value}" for name, value in info().items())
