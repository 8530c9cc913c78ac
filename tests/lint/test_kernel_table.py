"""Every kernel entry for NPUs is in the table of the kernel object, with what it is made of."""

from __future__ import annotations

import re

from .tree import ROOT, tracked

ENTRY = re.compile(r"FA_FORWARD_KERNEL\((\w+), ([^)]+)\)")
LINE = re.compile(r'entry<KernelConfig<([^>]+)>>\(\s*"(\w+)", DType::(\w+)\)')
DTYPES = {"half": "kFloat16", "bfloat16_t": "kBFloat16"}


def test_kernel_table() -> None:
    kernels = {}
    for path in tracked("core_kernels/src/npu/kernels/*.cpp"):
        for name, config in ENTRY.findall(path.read_text()):
            kernels[name] = config
    assert kernels
    table = (ROOT / "core_kernels/src/npu/object/kernel_table.cpp").read_text()
    listed = {name: config for config, name, _ in LINE.findall(table)}
    assert listed == kernels
    assert all(DTYPES[config.split(",")[0]] == dtype for config, _, dtype in LINE.findall(table))
