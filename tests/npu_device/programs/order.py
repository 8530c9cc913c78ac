"""order.py API: torch_npu's operators around ours; counts wrong results, prints host times."""

from __future__ import annotations

import importlib
import sys
import time

import torch

npu = importlib.import_module("torch_npu").npu
module = importlib.import_module({2: "flash_attn", 3: "flash_attn_interface"}[int(sys.argv[1])])
ROUNDS = 10

x = torch.zeros(1, 16, 1, 16, dtype=torch.float16).to("npu")
module.flash_attn_func(x, x, x)
wrong, kept, drained = 0, 0.0, 0.0
for number in range(ROUNDS):
    x.fill_(float(number + 1))
    begin = time.perf_counter()
    out = module.flash_attn_func(x, x, x)
    kept += time.perf_counter() - begin
    after = out + 1
    x.fill_(-1.0)
    wrong += not bool((after.cpu() == number + 2).all())
for number in range(ROUNDS):
    x.fill_(float(number + 1))
    begin = time.perf_counter()
    npu.current_stream().npu_stream  # noqa: B018 (waits until the queue is empty)
    module.flash_attn_func(x, x, x)
    drained += time.perf_counter() - begin
print(f"wrong: {wrong} of {ROUNDS}")
for name, seconds in (("kept", kept), ("drained", drained)):
    print(f"queue {name}: {seconds / ROUNDS * 1e6:.0f} us of host time per call")
