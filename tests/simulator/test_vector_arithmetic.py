"""Arithmetic and logic of the vector unit against a restatement lane by lane."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .vector_case import (
    BITS,
    COUNT,
    FP16,
    FP32,
    INT16,
    INT32,
    NUMPY,
    OPS,
    SIZE,
    UINT16,
    UINT32,
    Case,
    expected,
    random_image,
    random_lanes,
    run,
    same,
    scalar_bits,
)

Lane = Callable[..., Any]


def larger(a: Any, b: Any) -> Any:
    if a != a or b != b:
        return a + b
    if a == b:
        return b if np.signbit(a) else a
    return a if a > b else b


def smaller(a: Any, b: Any) -> Any:
    if a != a or b != b:
        return a + b
    if a == b:
        return a if np.signbit(a) else b
    return a if a < b else b


def relu(a: Any) -> Any:
    return a if a != a or a > 0 else type(a)(0)


def wide(f: Callable[[Any], Any]) -> Lane:
    return lambda _, a: f(np.float64(a))


def rsqrt(a: Any) -> Any:
    return np.inf if a == 0 else 1 / np.sqrt(a)


ARITHMETIC = [FP16, FP32, INT16, INT32]
FLOATS = [FP16, FP32]
LOGIC = [INT16, UINT16]

BINARY: dict[str, tuple[list[int], Lane]] = {
    "Add": (ARITHMETIC, lambda _, a, b: a + b),
    "Sub": (ARITHMETIC, lambda _, a, b: a - b),
    "Mul": (ARITHMETIC, lambda _, a, b: a * b),
    "Div": (FLOATS, lambda _, a, b: a / b),
    "Max": (ARITHMETIC, lambda _, a, b: larger(a, b)),
    "Min": (ARITHMETIC, lambda _, a, b: smaller(a, b)),
    "And": (LOGIC, lambda _, a, b: a & b),
    "Or": (LOGIC, lambda _, a, b: a | b),
    "AddRelu": ([FP16, FP32, INT16], lambda _, a, b: relu(a + b)),
    "SubRelu": ([FP16, FP32, INT16], lambda _, a, b: relu(a - b)),
    "MulAddDst": (FLOATS, lambda d, a, b: a * b + d),
    "FusedMulAdd": (FLOATS, lambda d, a, b: a * d + b),
    "MulAddRelu": (FLOATS, lambda d, a, b: relu(a * d + b)),
}
UNARY: dict[str, tuple[list[int], Lane]] = {
    "Abs": (FLOATS, lambda _, a: abs(a)),
    "Relu": ([FP16, FP32, INT32], lambda _, a: relu(a)),
    "Exp": (FLOATS, wide(np.exp)),
    "Ln": (FLOATS, wide(np.log)),
    "Sqrt": (FLOATS, wide(np.sqrt)),
    "Rsqrt": (FLOATS, wide(rsqrt)),
    "Reciprocal": (FLOATS, wide(lambda a: 1 / a)),
    "Not": (LOGIC, lambda _, a: ~a),
}
SCALAR: dict[str, tuple[list[int], Callable[[Any, Any, Any], Any]]] = {
    "Adds": (ARITHMETIC, lambda _, a, s: a + s),
    "Muls": (ARITHMETIC, lambda _, a, s: a * s),
    "Maxs": (ARITHMETIC, lambda _, a, s: larger(a, s)),
    "Mins": (ARITHMETIC, lambda _, a, s: smaller(a, s)),
    "LeakyRelu": (FLOATS, lambda _, a, s: a * s if np.signbit(a) else a),
    "Axpy": (FLOATS, lambda d, a, s: a * s + d),
}


def cases(table: dict[str, tuple[list[int], Any]]) -> list[Any]:
    return [
        pytest.param(name, dtype, id=f"{name}-{np.dtype(NUMPY[dtype]).name}")
        for name, (dtypes, _) in table.items()
        for dtype in dtypes
    ]


def image_of(rng: np.random.Generator, *dtypes: int) -> Any:
    return np.concatenate([random_image(rng, dtype, 16384) for dtype in dtypes])


@pytest.mark.parametrize(("name", "dtype"), cases(BINARY))
def test_two_tensors(sim: ModuleType, name: str, dtype: int) -> None:
    for seed in range(8):
        rng = np.random.default_rng([OPS[name], dtype, seed])
        case = Case(OPS[name], dtype, dtype)
        random_lanes(rng, case)
        image = image_of(rng, dtype, dtype, dtype)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        same(result, expected(case, image, BINARY[name][1], 2), dtype)


@pytest.mark.parametrize(("name", "dtype"), cases(BINARY))
def test_pairs_of_border_values(sim: ModuleType, name: str, dtype: int) -> None:
    """Every border value with every other, dst taking one of them where it is a source."""
    kind = NUMPY[dtype]
    if np.issubdtype(kind, np.integer):
        info = np.iinfo(kind)
        border = np.array([0, 1, 2, info.max, info.max - 1, info.min, info.min + 1], kind)
    else:
        finfo = np.finfo(kind)
        positive = [0.0, np.inf, finfo.max, finfo.smallest_subnormal, finfo.smallest_normal, 1.0]
        border = np.array([*positive, *(-x for x in positive), np.nan, 1.5], kind)
    pairs = np.stack(np.meshgrid(border, border), -1).reshape(-1, 2)
    image = np.zeros(49152, np.uint8)
    for which, values in enumerate([np.roll(pairs[:, 0], 5), pairs[:, 0], pairs[:, 1]]):
        at = 16384 * which
        image[at : at + kind().itemsize * len(pairs)] = np.ascontiguousarray(values).view(np.uint8)
    case = Case(OPS[name], dtype, dtype, form=COUNT, count=len(pairs))
    result, reports = run(sim, case, image)
    assert reports == []
    same(result, expected(case, image, BINARY[name][1], 2), dtype)


@pytest.mark.parametrize(("name", "dtype"), cases(UNARY))
def test_one_tensor(sim: ModuleType, name: str, dtype: int) -> None:
    for seed in range(8):
        rng = np.random.default_rng([OPS[name], dtype, seed])
        case = Case(OPS[name], dtype, dtype)
        random_lanes(rng, case)
        image = image_of(rng, dtype, dtype, dtype)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        same(result, expected(case, image, UNARY[name][1], 1), dtype)


@pytest.mark.parametrize(("name", "dtype"), cases(SCALAR))
def test_tensor_and_scalar(sim: ModuleType, name: str, dtype: int) -> None:
    kind = NUMPY[dtype]
    values = [3, -1, 0] if dtype in (INT16, INT32) else [1.7, -0.0, np.nan, np.inf, -65504, 0.1]
    for seed, value in enumerate(values * 2):
        rng = np.random.default_rng([OPS[name], dtype, seed])
        case = Case(OPS[name], dtype, dtype, scalar=scalar_bits(value, dtype))
        random_lanes(rng, case)
        image = image_of(rng, dtype, dtype, dtype)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        scalar = np.array([value]).astype(kind)[0]
        lane = SCALAR[name][1]
        wanted = expected(case, image, lambda d, a: lane(d, a, scalar), 1)  # noqa: B023
        same(result, wanted, dtype)


@pytest.mark.parametrize("name", ["MulAddDst", "Axpy"])
def test_half_into_float(sim: ModuleType, name: str) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        case = Case(OPS[name], FP32, FP16, scalar=scalar_bits(1.3, FP16))
        random_lanes(rng, case)
        image = image_of(rng, FP32, FP16, FP16)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        scalar = np.float32(np.float16(1.3))
        if name == "Axpy":
            wanted = expected(case, image, lambda d, a: np.float32(a) * scalar + d, 1)  # noqa: B023
        else:
            wanted = expected(case, image, lambda d, a, b: np.float32(a) * np.float32(b) + d, 2)
        same(result, wanted, FP32)


def shifted(name: str, value: Any, distance: int) -> int:
    """The pages of ShiftLeft and ShiftRight, on the bits as text."""
    bits = 8 * value.itemsize
    text = format(int(value) % (1 << bits), f"0{bits}b")
    signed = np.issubdtype(type(value), np.signedinteger)
    if name == "ShiftLeft":
        kept = 1 if signed else 0
        moved = (text[kept:] + "0" * distance)[-(bits - kept) :]
        text = text[:kept] + moved
        return int(text, 2)
    fill = text[0] if signed else "0"
    number = int((fill * distance + text)[:bits], 2)
    if name == "ShiftRightRound" and signed and distance > 0:
        number += int(text[bits - distance])
    return int(number % (1 << bits))


@pytest.mark.parametrize("dtype", [INT16, UINT16, INT32, UINT32])
@pytest.mark.parametrize("name", ["ShiftLeft", "ShiftRight", "ShiftRightRound"])
def test_shifts(sim: ModuleType, name: str, dtype: int) -> None:
    bits = 8 * SIZE[dtype]
    unsigned = {2: np.uint16, 4: np.uint32}[SIZE[dtype]]
    for distance in [0, 1, 3, 5, bits - 1, bits]:
        rng = np.random.default_rng([dtype, distance])
        case = Case(OPS[name], dtype, dtype, form=BITS, repeats=3, scalar=distance)
        case.mask_low = case.mask_high = (1 << 64) - 1
        if bits == 32:
            case.mask_high = 0
        image = image_of(rng, dtype, dtype, dtype)
        result, reports = run(sim, case, image)
        assert reports == []

        def lane(_: Any, a: Any, d: int = distance) -> Any:
            return np.array([shifted(name, a, d)], unsigned).view(NUMPY[dtype])[0]

        same(result, expected(case, image, lane, 1), dtype)
    _, reports = run(sim, Case(OPS[name], dtype, form=BITS, scalar=bits + 1), image)
    assert f"distance {bits + 1}, allowed 0 to {bits}" in reports[0]


@pytest.mark.parametrize(("name", "f", "low", "high"), [
    ("Exp", np.exp, -105.0, 90.0),
    ("Ln", np.log, 0.0, 3.0e38),
    ("Rsqrt", rsqrt, 0.0, 3.0e38),
])  # fmt: skip
def test_functions_are_rounded_correctly(
    sim: ModuleType, name: str, f: Callable[[Any], Any], low: float, high: float
) -> None:
    """Not one unit off in 12000 values, and at most one wrongly rounded."""
    rng = np.random.default_rng(OPS[name])
    n = 4000
    x = np.concatenate([
        rng.uniform(low, high, n),
        rng.uniform(max(low, -1.0), 2.0, n),
        np.exp(rng.uniform(-80.0, 80.0, n)) if low == 0.0 else rng.uniform(-1e-3, 1e-3, n),
    ]).astype(np.float32)  # fmt: skip
    case = Case(OPS[name], FP32, form=COUNT, count=len(x), dst=0, a=65536)
    image = np.zeros(131072, np.uint8)
    image[65536 : 65536 + x.nbytes] = x.view(np.uint8)
    result, reports = run(sim, case, image)
    assert reports == []
    with np.errstate(all="ignore"):
        wanted = np.vectorize(f)(x.astype(np.float64)).astype(np.float32)
    got = result[: x.nbytes].view(np.float32)
    distance = np.abs(got.view(np.int32).astype(np.int64) - wanted.view(np.int32))
    assert distance.max() <= 1
    assert np.count_nonzero(distance) <= 1


@pytest.mark.parametrize(("name", "dtype", "allowed"), [
    ("Add", UINT16, "half, float, int16, int32"),
    ("Div", INT32, "half, float"),
    ("And", INT32, "int16, uint16"),
    ("Exp", INT16, "half, float"),
    ("Relu", INT16, "half, float, int32"),
    ("Not", FP16, "int16, uint16"),
    ("Muls", UINT32, "half, float, int16, int32"),
    ("ShiftLeft", FP32, "int16, uint16, int32, uint32"),
])  # fmt: skip
def test_types_that_do_not_exist(sim: ModuleType, name: str, dtype: int, allowed: str) -> None:
    image = np.zeros(49152, np.uint8)
    case = Case(OPS[name], dtype, dtype, form=COUNT, count=64)
    result, reports = run(sim, case, image + np.uint8(1))
    assert f"allowed {allowed}" in reports[0]
    assert np.all(result == 1)
