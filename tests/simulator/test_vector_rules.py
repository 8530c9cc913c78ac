"""What vector instructions must not be given: strides, repeats, masks, alignment, overlap."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .vector_case import (
    BITS,
    COUNT,
    FP16,
    FP32,
    INT32,
    LEADING,
    OPS,
    PRESET,
    Case,
    expected,
    random_image,
    run,
    same,
)

FULL = (1 << 64) - 1


def one(name: str = "Add", dtype: int = FP32, **fields: Any) -> Case:
    fields = {"form": LEADING, "count": 64, "repeats": 2} | fields
    return Case(OPS[name], dtype, dtype, **fields)


@pytest.mark.parametrize(("case", "text"), [
    (one(repeats=256), "repeat 256, allowed 0 to 255"),
    (one(a_repeat=256), "src0 repeat stride 256, allowed 0 to 255"),
    (one(b_block=300), "src1 block stride 300, allowed 0 to 255"),
    (one(dst_repeat=-1), "dst repeat stride -1, allowed 0 to 255"),
    (one("Exp", a_block=65536), "src block stride 65536, allowed 0 to 65535"),
    (one("Exp", dst_repeat=256), "dst repeat stride 256, allowed 0 to 255"),
    (one(dst_block=0), "dst block stride 0 is undefined"),
    (one(a=16400), "src0: UB address 16400 is not a multiple of 32 bytes"),
    (one("Exp", dst=4), "dst: UB address 4 is not a multiple of 32 bytes"),
    (one(form=COUNT, count=-1), "-1 elements are not in the range of UB"),
    (one(form=COUNT, count=49152), "reads outside of the 196608 bytes of UB"),
    (one(counter=1), "a number of lanes as mask in counter mode"),
    (one(form=BITS, mask_low=FULL, counter=1), "elements are not in the range of UB"),
])  # fmt: skip
def test_refused(sim: ModuleType, case: Case, text: str) -> None:
    image = np.ones(49152, np.uint8)
    result, reports = run(sim, case, image)
    assert len(reports) == 1
    assert text in reports[0]
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("case", [
    one(repeats=0), one(count=0), one(form=COUNT, count=0), one(form=BITS),
    one(form=BITS, counter=1), one(form=PRESET),
])  # fmt: skip
def test_nothing_to_do(sim: ModuleType, case: Case) -> None:
    image = random_image(np.random.default_rng(1), FP32, 49152)
    result, reports = run(sim, case, image)
    assert reports == []
    np.testing.assert_array_equal(result, image)


def test_255_repeats(sim: ModuleType) -> None:
    image = random_image(np.random.default_rng(1), FP32, 3 * 65536)[: 196608 - 256]
    case = one(repeats=255, a=65536, b=131072 - 256)
    result, reports = run(sim, case, image)
    assert reports == []
    same(result, expected(case, image, lambda _, a, b: a + b, 2), FP32)


# ---- overlap

OVERLAPS = [
    (one(a=0), True),  # in place
    (one(b=0), True),
    (one(a=32), False),  # within a repeat, shifted by a block
    (one(a=512), True),  # next to each other
    (one(dst=256, a=0), False),  # the second repeat reads what the first has written
    (one(dst=0, a=256), True),  # the first repeat reads what the second will write
    (one(dst=0, b=0, dst_repeat=0, b_repeat=0), True),  # accumulates
    (one(dst=0, b=0, b_repeat=0), True),  # all start from the first
    (one(dst=0, a=0, dst_repeat=0, a_repeat=0), False),  # only src1 may
    (one("Div", dst=0, b=0, dst_repeat=0, b_repeat=0), False),  # not documented for Div
    (one(repeats=1, dst=0, b=0, dst_repeat=0, b_repeat=0), True),
    (one("Add", dst=0, a=32, dst_block=2, a_block=2, dst_repeat=16, a_repeat=16), True),
    (one(dst=0, a=0, a_block=0), False),  # all blocks read the one that the first writes
    (one("Exp", dst=0, a=0), True),
    (one("Exp", dst=128, a=0), False),
    (one(count=8, dst=32, a=0, dst_repeat=2, a_repeat=2), True),  # one block of each is used
]


@pytest.mark.parametrize(("case", "allowed"), OVERLAPS)
def test_overlap(sim: ModuleType, case: Case, allowed: bool) -> None:
    image = random_image(np.random.default_rng(2), FP32, 49152, edges=False)
    result, reports = run(sim, case, image)
    if not allowed:
        assert "and dst overlap at UB byte" in reports[0]
        return
    assert reports == []
    lane: Any = {OPS["Add"]: lambda _, a, b: a + b, OPS["Exp"]: lambda _, a: np.exp(np.float64(a))}
    wanted = expected(case, image, lane[case.op], 1 if case.op == OPS["Exp"] else 2)
    same(result, wanted, FP32, 1 if case.op == OPS["Exp"] else 0)


@pytest.mark.parametrize("dtype", [FP16, FP32, INT32])
@pytest.mark.parametrize("name", ["Add", "Max"])
def test_accumulation_over_repeats(sim: ModuleType, name: str, dtype: int) -> None:
    image = random_image(np.random.default_rng(dtype), dtype, 49152, edges=False)
    case = one(name, dtype, repeats=9, dst=0, b=0, dst_repeat=0, b_repeat=0)
    result, reports = run(sim, case, image)
    assert reports == []
    lane: Any = {"Add": lambda _, a, b: a + b, "Max": lambda _, a, b: max(a, b)}
    same(result, expected(case, image, lane[name], 2), dtype)


# ---- bytes that nothing has written


@pytest.mark.parametrize("dst", [0, 16384])
def test_unwritten_lanes_stay_apart(sim: ModuleType, dst: int) -> None:
    """40 of 64 lanes of src0 were loaded: as many results can be stored, in place too."""
    image = random_image(np.random.default_rng(3), FP32, 32768 + 160, edges=False)
    case = one(repeats=1, dst=dst, a=32768, b=16384)
    result, reports = run(sim, case, image, stored=dst + 160)
    assert reports == []
    wanted = expected(case, np.pad(image, (0, 96)), lambda _, a, b: a + b, 2)
    np.testing.assert_array_equal(result[: dst + 160], wanted[: dst + 160])
    _, reports = run(sim, case, image, stored=dst + 192)
    assert f"stores byte {dst + 160} of UB, which nothing has written" in reports[0]


# ---- masks


@pytest.mark.parametrize(("script", "text"), [
    ("preset", ""),
    ("preset after count", "uses the mask that the kernel has set, but Add at"),
    ("preset after mask", "has left another mask"),
    ("full after count", ""),
    ("nothing preset after mask", "uses all lanes, but Add at"),
    ("preset again", ""),
    ("counter after count", "has switched to counter mode, but Add at"),
    ("counter", ""),
    ("count without a mask", ""),
])  # fmt: skip
def test_masks_that_others_destroy(sim: ModuleType, script: str, text: str) -> None:
    scripts = ["preset", "preset after count", "preset after mask", "full after count"]
    scripts += ["nothing preset after mask", "preset again", "counter after count", "counter"]
    scripts += ["count without a mask"]
    x = np.arange(256, dtype=np.float32)
    y = np.zeros(256, np.float32)
    result = sim.run("vector_masks", 1, [x, y, scripts.index(script)], [1])
    if text:
        assert text in result.reports[0]
        assert "vector_masks.cpp" in result.reports[0]
    else:
        assert result.reports == []
        active = {"preset": 16, "counter": 100, "preset again": 16, "count without a mask": 16}
        wanted = np.where(np.arange(256) < active.get(script, 64), 3 * x, 2 * x)
        np.testing.assert_array_equal(y, wanted)
