"""failing.py API: a call that works, one whose kernel fails, and what is left of the first."""

from __future__ import annotations

import importlib
import os
import sys

import torch

npu = importlib.import_module("torch_npu").npu
module = importlib.import_module({2: "flash_attn", 3: "flash_attn_interface"}[int(sys.argv[1])])
hidden = os.environ.pop("FLASH_ATTN_NPU_SIM_HIDE")
x, y = (torch.ones(1, 8, 1, 16, dtype=torch.float16).to("npu") for _ in range(2))
room = torch.empty(1, 8, 1, 16, dtype=torch.float16).pin_memory()
room.copy_(module.flash_attn_func(x, x, x), non_blocking=True)
npu.synchronize()
os.environ["FLASH_ATTN_NPU_SIM_HIDE"] = hidden
try:
    module.flash_attn_func(x, y, x)
    npu.synchronize()
    print("nothing was raised")
except Exception as error:
    print(type(error).__name__, error)
print("before:", "right" if bool((room == 1).all()) else "wrong")
sys.stdout.flush()
os._exit(0)  # torch_npu does not end in order after an error of its queue
