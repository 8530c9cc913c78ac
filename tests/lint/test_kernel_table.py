"""Every kernel entry for NPUs is in the list of the kernel object, with what it is made of."""

from __future__ import annotations

import re

from .tree import ROOT, tracked

FORWARD = re.compile(r"FA_FORWARD_KERNEL\((\w+), ([^)]+)\)")
MLA = re.compile(r"FA_MLA_KERNEL\((\w+), (\w+)\)")
VECTOR = re.compile(r"FA_VECTOR_KERNEL\((\w+), (\w+), fa::npu::\w+<(\w+)>\)")
LINE = re.compile(r"X\((fa_\w+), ([^)]+)\)")
# Each is compiled three times and makes every wheel larger.
MOST_KERNELS = 70

LIST = (ROOT / "core_kernels/src/npu/object/kernel_list.h").read_text()
PARTS = re.split("#define FA_(?:MLA|VECTOR)_KERNELS", LIST)
ARGS = {"kCombine": "CombineArgs", "kAppend": "AppendArgs"}


def entries(pattern: re.Pattern[str]) -> list[tuple[str, ...]]:
    """What the kernel files define."""
    texts = (path.read_text() for path in tracked("core_kernels/src/npu/kernels/*.cpp"))
    return sorted(found for text in texts for found in pattern.findall(text))


def test_forward_kernels() -> None:
    listed, _, _ = PARTS
    assert sorted(LINE.findall(listed)) == entries(FORWARD)


def test_mla_kernels() -> None:
    _, listed, _ = PARTS
    assert sorted(LINE.findall(listed)) == entries(MLA)


def test_vector_kernels() -> None:
    _, _, listed = PARTS
    lines = [(name, *made.split(", ")) for name, made in LINE.findall(listed)]
    assert sorted((name, ARGS[role], element) for name, element, role in lines) == entries(VECTOR)


def test_a_file_for_each_kernel() -> None:
    """So that they compile in parallel."""
    files = list(tracked("core_kernels/src/npu/kernels/*.cpp"))
    names = {f"fa_{path.stem}" for path in files}
    assert names == {found[0] for found in (*entries(FORWARD), *entries(MLA), *entries(VECTOR))}
    assert len(files) == len(names) <= MOST_KERNELS
