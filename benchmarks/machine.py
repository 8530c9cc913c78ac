"""What a measurement ran on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch

import flash_attn
import flash_attn_interface
from flash_attn import _C

FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")


def describe() -> dict[str, object]:
    """CPU, threads, versions and commit, for the head of a result file."""
    return {
        "cpu": _cpu_field("model name") or platform.processor(),
        "cpu_flags": [flag for flag in FLAGS if flag in _cpu_flags()],
        "isa": _C.isa(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "flash-attn-npu-v2": flash_attn.__npu_version__,
        "flash-attn-npu-v3": flash_attn_interface.__npu_version__,
        "commit": _commit(),
    }


def _cpu_field(name: str) -> str | None:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.split(":")[0].strip() == name:
            return line.split(":", 1)[1].strip()
    return None


def _cpu_flags() -> list[str]:
    """As Linux names them on x86-64 or on Arm."""
    return (_cpu_field("flags") or _cpu_field("Features") or "").split()


def _commit() -> str | None:
    """Short hash, with a mark if the tree has changes; None outside a checkout."""
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
