"""Small calls that tests of streams, graphs and errors share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fa_testing.backends import Wheel

PROGRAMS = Path(__file__).with_name("programs")


def inputs(seed: int = 0, tokens: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v in host memory, fp16."""
    torch.manual_seed(seed)
    q, k, v = (torch.randn(2, tokens, 2, 32).half() for _ in range(3))
    return q, k, v


def attend(wheel: Wheel, q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    out: Tensor = wheel.module.flash_attn_func(q, k, v, causal=True, **options)
    return out


def close(actual: Tensor, expected: Tensor) -> bool:
    """Whether results of both back ends are the same but for rounding to fp16."""
    return torch.allclose(actual.cpu().float(), expected.float(), rtol=4e-3, atol=4e-3)


def run_program(name: str, *arguments: str, **environment: str) -> str:
    """What a program of this folder prints in a process of its own."""
    command = [sys.executable, str(PROGRAMS / name), *arguments]
    tests = str(PROGRAMS.parents[1])
    path = os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
