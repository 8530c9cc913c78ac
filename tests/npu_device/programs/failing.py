"""failing.py API: a call that works, one whose kernel fails, and what is left of the first."""

from __future__ import annotations

import importlib
import os
import sys

from npu_device.outcome import end, first_call

importlib.import_module("torch_npu")
module = importlib.import_module({2: "flash_attn", 3: "flash_attn_interface"}[int(sys.argv[1])])
hidden = os.environ.pop("FLASH_ATTN_NPU_SIM_HIDE")
x, room = first_call(module)
y = x.clone()
os.environ["FLASH_ATTN_NPU_SIM_HIDE"] = hidden
end(lambda: module.flash_attn_func(x, y, x), room)
