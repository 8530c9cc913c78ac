"""two_devices.py API: calls on the second of two devices, and one with tensors on both."""

from __future__ import annotations

import importlib
import sys

import torch

importlib.import_module("torch_npu")
module = importlib.import_module({2: "flash_attn", 3: "flash_attn_interface"}[int(sys.argv[1])])
x = torch.randn(1, 20, 2, 16).half()
expected = module.flash_attn_func(x, x, x)
first, second = x.to("npu:0"), x.to("npu:1")
out = module.flash_attn_func(second, second, second)
near = torch.allclose(out.cpu().float(), expected.float(), atol=4e-3)
print("same device:", "right" if near and out.device == second.device else "wrong")
try:
    module.flash_attn_func(first, second, first)
except module.FlashAttnError as error:
    print(type(error).__name__, error)
