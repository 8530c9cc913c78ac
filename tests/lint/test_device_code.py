"""Device code holds nothing that only a host has: bisheng would refuse it, g++ does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .tree import ROOT, tracked

SHARED = (
    "core_kernels/src/npu/kernel_args.h",
    "core_kernels/src/problem/head_group.h",
    "core_kernels/src/problem/kv_range.h",
    "core_kernels/src/problem/page_map.h",
    "core_kernels/src/problem/rotary.h",
)
FILES = [
    *tracked("core_kernels/src/npu/kernels/*.h"),
    *tracked("core_kernels/src/npu/kernels/*.cpp"),
]
HEADERS = {"cstdint", "type_traits"}
HOST_ONLY = {
    "a library class": r"\bstd::(?!is_|enable_if|conditional|remove_|integral_constant)\w+",
    "an exception": r"\b(throw|try|catch)\b",
    "run-time types": r"\b(virtual|dynamic_cast|typeid)\b",
    "the heap": r"\b(new|delete)\b(?!\s*;?$)|\b(malloc|free)\(",
    "64-bit floating point": r"\bdouble\b",
    "a static variable": r"^\s+static (?!constexpr|__aicore__|_assert)(?!inline)",
    "thread-local storage": r"\bthread_local\b",
    "a literal event id": r"(?:SetFlag|WaitFlag)<[^>]+>\(\s*(?:EVENT_ID)?\d",
}


def code_of(text: str) -> str:
    """Without comments and what stands between quotes."""
    return re.sub(r'//[^\n]*|"[^"\n]*"', "", text)


def found(text: str) -> list[str]:
    lines = code_of(text).splitlines()
    faults = [
        f"{name}: {line.strip()}"
        for name, pattern in HOST_ONLY.items()
        for line in lines
        if re.search(pattern, line)
    ]
    headers = set(re.findall(r"#include <([^>]+)>", text)) - HEADERS
    return faults + [f"a header of the library: {name}" for name in sorted(headers)]


@pytest.mark.parametrize("path", [*FILES, *(ROOT / name for name in SHARED)], ids=lambda p: p.name)
def test_device_code(path: Path) -> None:
    # kernel_args.h asserts on the host that its structs can be copied.
    assert [line for line in found(path.read_text()) if "is_trivially_copyable" not in line] == []


@pytest.mark.parametrize(
    "line",
    [
        "#include <vector>",
        "std::vector<int> x;",
        "} catch (int) {",
        "auto& type = typeid(x);",
        "delete p;",
        "free(p);",
        "thread_local int x;",
        "throw 1;",
        "virtual void f();",
        "int* p = new int(1);",
        "double d = 1;",
        "  static int counter = 0;",
        "SetFlag<HardEvent::V_S>(EVENT_ID0);",
    ],
)
def test_the_patterns_find(line: str) -> None:
    assert found(line)
