"""Cast against exact arithmetic on fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .vector_case import (
    BF16,
    COUNT,
    FP16,
    FP32,
    INT4,
    INT8,
    INT16,
    INT32,
    INT64,
    LEADING,
    NUMPY,
    OPS,
    SIZE,
    UINT8,
    UINT16,
    Case,
    bf16_to_float,
    expected,
    random_image,
    random_lanes,
    run,
    same,
    scalar_bits,
)

NONE, RINT, FLOOR, CEIL, ROUND, TRUNC, ODD = range(7)
MODES = [RINT, FLOOR, CEIL, ROUND, TRUNC]
NAMES = ["NONE", "RINT", "FLOOR", "CEIL", "ROUND", "TRUNC", "ODD"]

# "Cast" page, table of A2: (from, to) and the modes it takes. int4 has tests of its own.
TABLE: dict[tuple[int, int], list[int]] = {
    (INT8, FP16): [NONE],
    (UINT8, FP16): [NONE],
    (INT16, FP16): [*MODES, NONE],
    (INT16, FP32): [NONE],
    (FP16, INT8): [*MODES, NONE],
    (FP16, UINT8): [*MODES, NONE],
    (FP16, INT16): MODES,
    (FP16, INT32): MODES,
    (FP16, FP32): [NONE],
    (BF16, INT32): MODES,
    (BF16, FP32): [NONE],
    (INT32, INT16): [NONE],
    (INT32, FP32): [*MODES, NONE],
    (INT32, INT64): [NONE],
    (FP32, INT16): MODES,
    (FP32, FP16): [*MODES, ODD, NONE],
    (FP32, BF16): MODES,
    (FP32, INT32): MODES,
    (FP32, FP32): MODES,
    (FP32, INT64): MODES,
    (INT64, INT32): [NONE],
    (INT64, FP32): MODES,
}
# Bits of the mantissa with the leading one, smallest exponent of its unit, largest exponent.
FORMAT = {FP16: (11, -24, 15), BF16: (8, -133, 127), FP32: (24, -149, 127)}


def whole(value: Fraction, mode: int) -> int:
    """A fraction to an integer."""
    low = math.floor(value)
    rest = value - low
    if mode == FLOOR or rest == 0:
        return low
    if mode == CEIL:
        return low + 1
    if mode == TRUNC:
        return low if value > 0 else low + 1
    if mode == ODD:
        return low if low % 2 else low + 1
    if rest != Fraction(1, 2):
        return low + (rest > Fraction(1, 2))
    if mode == ROUND:
        return low + (value > 0)
    return low + low % 2


def to_float(value: Fraction, code: int, mode: int) -> float:
    """A fraction to the nearest number of a format, as the mode has it."""
    if value == 0:
        return 0.0
    bits, least, top = FORMAT[code]
    exponent = math.frexp(float(value))[1]
    exponent -= abs(value) < Fraction(2) ** (exponent - 1)  # the float was rounded up
    unit = Fraction(2) ** max(exponent - bits, least)
    rounded = whole(value / unit, mode) * unit
    if abs(rounded) >= Fraction(2) ** (top + 1):
        return math.inf if value > 0 else -math.inf
    return math.copysign(float(rounded), float(value))


def number(value: Any, code: int) -> Any:
    return float(bf16_to_float(np.array([value]))[0]) if code == BF16 else value.item()


def encode(value: float, code: int) -> Any:
    if code == BF16:
        return np.array([value], np.float32).view(np.uint32)[0] >> np.uint32(16)
    return NUMPY[code](value)


def converted(value: Any, src: int, dst: int, mode: int) -> Any:
    x = number(value, src)
    if dst in FORMAT:
        if not math.isfinite(x):
            return encode(x, dst)
        if src == dst:  # to an integer; -0 becomes 0
            return np.float32(whole(Fraction(x), mode))
        if x == 0:
            return encode(x, dst)
        return encode(to_float(Fraction(x), dst, mode), dst)
    info = np.iinfo(NUMPY[dst])
    if x != x:
        return 0
    if math.isinf(x):
        return info.max if x > 0 else info.min
    return min(max(whole(Fraction(x), mode), info.min), info.max)


def sources(rng: np.random.Generator, src: int, dst: int) -> Any:
    """Numbers that the target has to round: near its range, and ties."""
    if src == BF16:
        floats = random_image(rng, FP32, 2 * 16384).view(np.uint32)
        return (floats >> np.uint32(16)).astype(np.uint16).view(np.uint8)
    image = random_image(rng, src, 16384)
    if src not in (FP16, FP32):
        return image
    x = image.view(NUMPY[src])
    n = len(x)
    with np.errstate(all="ignore"):
        ties = (rng.integers(-300, 300, n) + rng.choice([0.5, 0.25, 0.75], n)).astype(x.dtype)
        x = np.where(rng.random(n) < 0.4, ties, x)
        if dst in (FP16, BF16):
            bits = rng.integers(0, 1 << 32, n, dtype=np.uint32)
            cut = np.uint32(0x1FFF if dst == FP16 else 0xFFFF)
            half = (bits & ~cut) | (cut // 2 + np.uint32(1))
            some = np.where(rng.random(n) < 0.5, half, bits).view(np.float32)
            tiny = (rng.integers(0, 2048, n) * 2.0**-26).astype(np.float32)
            x = np.where(rng.random(n) < 0.4, some, x)
            x = np.where(rng.random(n) < 0.2, tiny, x)
            x = np.where(rng.random(n) < 0.05, np.float32(65520) - 8 * rng.integers(0, 4, n), x)
        return np.ascontiguousarray(x.astype(NUMPY[src])).view(np.uint8)


def parameters() -> list[Any]:
    return [
        pytest.param(
            src, dst, mode, id=f"{NUMPY[src].__name__}-{NUMPY[dst].__name__}-{dst}-{NAMES[mode]}"
        )
        for (src, dst), modes in TABLE.items()
        for mode in modes
    ]


@pytest.mark.parametrize(("src", "dst", "mode"), parameters())
def test_cast(sim: ModuleType, src: int, dst: int, mode: int) -> None:
    for seed in range(3):
        rng = np.random.default_rng([src, dst, mode, seed])
        case = Case(OPS["Cast"], dst, src, rounding=mode)
        random_lanes(rng, case)
        if seed == 0:
            case = Case(OPS["Cast"], dst, src, COUNT, count=2000, rounding=mode)
        image = np.zeros(49152, np.uint8)
        image[:16384] = random_image(rng, dst, 16384)
        image[16384:32768] = sources(rng, src, dst)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        rounding = RINT if mode == NONE else mode
        wanted = expected(case, image, lambda _, a: converted(a, src, dst, rounding), 1)  # noqa: B023
        same(result[:16384], wanted[:16384], dst)


def test_pairs_and_modes_that_do_not_exist(sim: ModuleType) -> None:
    image = np.zeros(49152, np.uint8)
    for src in NUMPY:
        for dst in NUMPY:
            for mode in range(7):
                if mode in TABLE.get((src, dst), []) or (src, dst) == (INT32, FP16):
                    continue
                if (src + dst + mode) % 3:  # a third of them is enough
                    continue
                case = Case(OPS["Cast"], dst, src, COUNT, count=64, rounding=mode)
                _, reports = run(sim, case, image)
                assert "allowed" in reports[0] and "from" in reports[0], (src, dst, mode)


def test_int32_to_half_with_a_scale(sim: ModuleType) -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(-(2**31), 2**31, 2048).astype(np.int32)
    values[::2] = rng.integers(-70000, 70000, 1024)
    image = np.zeros(49152, np.uint8)
    image[16384 : 16384 + values.nbytes] = values.view(np.uint8)
    for scale in [1.0, 0.333, 2.0**-14]:
        case = Case(OPS["Cast"], FP16, INT32, COUNT, 2048, scalar=scalar_bits(scale, FP16))
        result, reports = run(sim, case, image)
        assert reports == []
        with np.errstate(over="ignore"):
            wanted = (values.astype(np.float64) * np.float64(np.float16(scale))).astype(np.float16)
        same(result[: wanted.nbytes], wanted.view(np.uint8), FP16)
    _, reports = run(sim, Case(OPS["Cast"], FP16, INT32, COUNT, 64), image)
    assert "from int32 to half before SetDeqScale" in reports[0]


@pytest.mark.parametrize("mode", [*MODES, NONE])
def test_half_to_int4_and_back(sim: ModuleType, mode: int) -> None:
    rng = np.random.default_rng(mode)
    x = rng.uniform(-12, 12, 512).astype(np.float16)
    x[:8] = [np.nan, np.inf, -np.inf, -0.0, 7.5, -8.5, 6.5, 0.5]
    image = np.zeros(49152, np.uint8)
    image[16384 : 16384 + x.nbytes] = x.view(np.uint8)
    case = Case(OPS["Cast"], INT4, FP16, COUNT, 512, rounding=mode)
    result, reports = run(sim, case, image)
    assert reports == []
    rounding = RINT if mode == NONE else mode
    numbers = [
        0 if np.isnan(v) else min(max(whole(Fraction(float(np.clip(v, -99, 99))), rounding), -8), 7)
        for v in x
    ]
    packed = [a % 16 | b % 16 << 4 for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    np.testing.assert_array_equal(result[:256], np.array(packed, np.uint8))
    image[16384 : 16384 + 256] = packed
    back, reports = run(sim, Case(OPS["Cast"], FP16, INT4, COUNT, 512), image)
    assert reports == []
    np.testing.assert_array_equal(back[:1024].view(np.float16), np.array(numbers, np.float16))
    _, reports = run(sim, Case(OPS["Cast"], INT4, FP16, COUNT, 511, rounding=RINT), image)
    assert "parts the two elements of a byte" in reports[0]


def test_narrowing_into_its_own_source(sim: ModuleType) -> None:
    rng = np.random.default_rng(1)
    image = random_image(rng, FP32, 49152)
    case = Case(OPS["Cast"], FP16, FP32, COUNT, count=3000, dst=16384, rounding=RINT)
    result, reports = run(sim, case, image)
    assert reports == []
    with np.errstate(over="ignore"):
        wanted = image[16384 : 16384 + 12000].view(np.float32).astype(np.float16)
    same(result[16384 : 16384 + 6000], wanted.view(np.uint8), FP16)


def test_widening_into_its_own_source(sim: ModuleType) -> None:
    image = np.zeros(49152, np.uint8)
    case = Case(OPS["Cast"], FP32, FP16, LEADING, count=64, repeats=4, dst=16384, a_repeat=4)
    _, reports = run(sim, case, image)
    assert "src and dst overlap" in reports[0]


def test_uint16_is_no_number_to_cast(sim: ModuleType) -> None:
    case = Case(OPS["Cast"], FP32, UINT16, COUNT, count=64)
    _, reports = run(sim, case, np.zeros(49152, np.uint8))
    assert "from uint16 to float, allowed nothing" in reports[0]
    assert SIZE[UINT16] == 2
