"""one_call.py API: one call; prints what it raises."""

from __future__ import annotations

import importlib
import os
import sys

if os.environ.get("FIRST_PATH"):
    sys.path.insert(0, os.environ["FIRST_PATH"])
import torch

importlib.import_module("torch_npu")
module = importlib.import_module({2: "flash_attn", 3: "flash_attn_interface"}[int(sys.argv[1])])
x = torch.ones(1, 4, 1, 16, dtype=torch.float16).to("npu")
try:
    print("right" if bool((module.flash_attn_func(x, x, x).cpu() == 1).all()) else "wrong")
except module.FlashAttnError as error:
    print(type(error).__name__, error)
