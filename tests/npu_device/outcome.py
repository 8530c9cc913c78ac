"""For programs whose last call fails: what it raises, and whether the one before is right."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def first_call(module: Any) -> tuple[Tensor, Tensor]:
    """An input of ones on the device, and host memory with the attention over it, which is ones."""
    x = torch.ones(1, 8, 1, 16, dtype=torch.float16).to("npu")
    room = torch.empty(1, 8, 1, 16, dtype=torch.float16).pin_memory()
    room.copy_(module.flash_attn_func(x, x, x), non_blocking=True)
    importlib.import_module("torch_npu").npu.synchronize()
    return x, room


def end(last_call: Callable[[], object], room: Tensor) -> None:
    """Prints both and ends the process: torch_npu does not end in order after such an error."""
    try:
        last_call()
        importlib.import_module("torch_npu").npu.synchronize()
        print("nothing was raised")
    except Exception as error:
        print(type(error).__name__, error)
    print("before:", "right" if bool((room == 1).all()) else "wrong")
    sys.stdout.flush()
    os._exit(0)
