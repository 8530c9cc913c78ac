"""Every kernel entry for NPUs is in the table of the kernel object, with what it is made of."""

from __future__ import annotations

import re

from .tree import ROOT, tracked

ENTRY = re.compile(r"FA_FORWARD_KERNEL\((\w+), ([^)]+)\)")
LINE = re.compile(r'entry<KernelConfig<([^>]+)>>\(\s*"(\w+)",\s*DType::(\w+)\)')
VECTOR_ENTRY = re.compile(r"FA_VECTOR_KERNEL\((\w+), \w+, fa::npu::\w+<(\w+)>\)")
VECTOR_LINE = re.compile(r'vector\("(\w+)", DType::(\w+), KernelRole::k\w+\)')
DTYPES = {"half": "kFloat16", "bfloat16_t": "kBFloat16", "float": "kFloat32"}


TABLE = "core_kernels/src/npu/object/kernel_table.cpp"


def entries(pattern: re.Pattern[str]) -> dict[str, str]:
    """What the kernels define: names, and what they are made of."""
    found: dict[str, str] = {}
    for path in tracked("core_kernels/src/npu/kernels/*.cpp"):
        found.update(pattern.findall(path.read_text()))
    assert found
    return found


def test_forward_kernels() -> None:
    kernels = entries(ENTRY)
    table = (ROOT / TABLE).read_text()
    listed = {name: config for config, name, _ in LINE.findall(table)}
    assert listed == kernels
    assert all(DTYPES[config.split(",")[0]] == dtype for config, _, dtype in LINE.findall(table))


def test_vector_kernels() -> None:
    kernels = {name: DTYPES[element] for name, element in entries(VECTOR_ENTRY).items()}
    assert dict(VECTOR_LINE.findall((ROOT / TABLE).read_text())) == kernels
