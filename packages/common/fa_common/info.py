"""What is installed and in use: `python -m flash_attn` or `python -m flash_attn_interface`."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import platform
from collections.abc import Sequence

import torch

from .wheel import DISTRIBUTION, native, version


def _torch_npu() -> dict[str, str]:
    """The NPU plug-in of torch and what it works on."""
    try:
        installed = importlib.metadata.version("torch_npu")
    except importlib.metadata.PackageNotFoundError:
        return {"torch_npu": "not installed"}
    try:
        npu = importlib.import_module("torch_npu").npu
        facts = {"torch_npu": installed, "cann": str(npu.utils.get_cann_version())}
        count = int(npu.device_count())
        soc = str(npu.get_device_name()) if count else "none"
    except Exception as error:  # whatever it is, the report is about it
        first = str(error).strip().partition("\n")[0]
        return {"torch_npu": f"{installed}, does not work: {type(error).__name__}: {first}"}
    return {**facts, "soc": soc, "devices": str(count), "task queue": native.task_queue()}


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
        **_torch_npu(),
        "mutant": native.mutant() or "none",
    }


def report() -> str:
    """Returns `info` as lines of text."""
    return "\n".join(f"{name}: {value}" for name, value in info().items())


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the report.

    Args:
      arguments: `--json` for an object instead of lines; default: the command line's.
    """
    parser = argparse.ArgumentParser(description="What is installed and in use, for bug reports.")
    parser.add_argument("--json", action="store_true", help="as an object")
    print(json.dumps(info(), indent=1) if parser.parse_args(arguments).json else report())
