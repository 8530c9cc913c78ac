"""side_stream.py API right|omitted REPETITIONS: attention on a side stream, which waits for its
inputs or does not; counts wrong results.
"""

from __future__ import annotations

import importlib
import sys

import torch

npu = importlib.import_module("torch_npu").npu
module = importlib.import_module({2: "flash_attn", 3: "flash_attn_interface"}[int(sys.argv[1])])
omitted, repetitions = sys.argv[2] == "omitted", int(sys.argv[3])

x = torch.zeros(1, 4, 1, 16, dtype=torch.float16).to("npu")
side, main = npu.Stream(), npu.current_stream()
wrong = 0
for number in range(repetitions):
    value = float(number % 100 + 1)
    x.fill_(value)
    if not omitted:
        side.wait_stream(main)
    with npu.stream(side):
        out = module.flash_attn_func(x, x, x)
    side.synchronize()
    with npu.stream(side):
        wrong += not bool((out.cpu() == value).all())
    main.wait_stream(side)
    x.fill_(0.0)
    npu.synchronize()
print(f"wrong: {wrong} of {repetitions}")
