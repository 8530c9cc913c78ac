"""One element-wise instruction: what it does to an image of UB, restated lane by lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Codes of ascsim::DType.
FP16, BF16, FP32, INT4, INT8, UINT8 = 1, 2, 3, 4, 5, 6
INT16, UINT16, INT32, UINT32, INT64 = 7, 8, 9, 10, 11
NUMPY: dict[int, Any] = {
    FP16: np.float16, BF16: np.uint16, FP32: np.float32, INT8: np.int8, UINT8: np.uint8,
    INT16: np.int16, UINT16: np.uint16, INT32: np.int32, UINT32: np.uint32, INT64: np.int64,
}  # fmt: skip
SIZE: dict[int, int] = {code: np.dtype(dtype).itemsize for code, dtype in NUMPY.items()}

OPS = {
    name: base + n
    for base, names in {
        0: "Add Sub Mul Div Max Min And Or AddRelu SubRelu MulAddDst FusedMulAdd MulAddRelu",
        20: "Abs Relu Exp Ln Sqrt Rsqrt Reciprocal Not",
        40: "Adds Muls Maxs Mins LeakyRelu ShiftLeft ShiftRight ShiftRightRound Axpy",
        60: "Cast Duplicate Brcb Copy CreateVecIndex",
    }.items()
    for n, name in enumerate(names.split())
}
COUNT, LEADING, BITS, PRESET = range(4)


@dataclass
class Case:
    """The kernel's parameters, in its order."""

    op: int
    dst_type: int
    src_type: int = 0
    form: int = COUNT
    count: int = 0
    repeats: int = 0
    mask_low: int = 0
    mask_high: int = 0
    dst: int = 0
    a: int = 16384
    b: int = 32768
    dst_block: int = 1
    a_block: int = 1
    b_block: int = 1
    dst_repeat: int = 8
    a_repeat: int = 8
    b_repeat: int = 8
    scalar: int = 0
    rounding: int = 0
    counter: int = 0
    lanes: list[tuple[int, int]] = field(default_factory=list, repr=False)

    def values(self) -> Array:
        numbers = [getattr(self, f.name) for f in fields(self) if f.name != "lanes"]
        return np.array([n % (1 << 64) for n in numbers], np.uint64)

    @property
    def size(self) -> int:
        """Bytes of a lane."""
        return max(SIZE[self.dst_type], SIZE[self.src_type or self.dst_type])

    def active(self) -> Iterator[tuple[int, int]]:
        """(repeat, lane) of all lanes that work."""
        per_repeat = 256 // self.size
        if self.form == COUNT or self.counter:
            total = self.count if self.form == COUNT else self.mask_low
            yield from (divmod(n, per_repeat) for n in range(total))
            return
        mask = self.mask_low | self.mask_high << 64
        if self.form == LEADING:
            mask = (1 << self.count) - 1
        for repeat in range(self.repeats):
            yield from ((repeat, n) for n in range(per_repeat) if mask >> n & 1)

    def address(self, which: str, size: int, repeat: int, lane: int) -> int:
        """Where a lane of an operand lies."""
        per_block = 32 // size
        block, step = getattr(self, which + "_block"), getattr(self, which + "_repeat")
        if self.form == COUNT:
            block, step = 1, 8 * size // self.size
        blocks = repeat * step + lane // per_block * block
        return int(getattr(self, which) + blocks * 32 + lane % per_block * size)


def run(
    sim: ModuleType, case: Case, image: Array, stored: int | None = None
) -> tuple[Array, list[str]]:
    """The image afterwards, and the reports."""
    result = np.zeros_like(image)
    arguments = [image, result, case.values(), image.nbytes, stored or image.nbytes]
    options = sim.Options()
    options.reserved_temporaries = False  # the image takes all of UB
    reports = sim.run("vector_ops", 1, arguments, [1], options).reports
    return result, list(reports)


def expected(case: Case, image: Array, lane: Callable[..., Any], sources: int) -> Array:
    """`lane(dst, a, b)` of NumPy scalars, over all lanes that work."""
    after: Array = image.copy()
    out = NUMPY[case.dst_type]
    in_ = NUMPY[case.src_type or case.dst_type]

    def load(which: str, dtype: Any, repeat: int, n: int) -> Any:
        size = np.dtype(dtype).itemsize
        at = case.address(which, size, repeat, n)
        return after[at : at + size].view(dtype)[0]

    with np.errstate(all="ignore"):
        for repeat, n in case.active():
            operands = [load("dst", out, repeat, n)]
            operands += [load(which, in_, repeat, n) for which in "ab"[:sources]]
            at = case.address("dst", np.dtype(out).itemsize, repeat, n)
            value = np.array([lane(*operands)]).astype(out, copy=False)
            after[at : at + value.nbytes] = value.view(np.uint8)
    return after


def same(result: Array, wanted: Array, dtype: int, ulps: int = 0) -> None:
    """Equal bit by bit, but any NaN is as good as another; floats may differ by `ulps`."""
    got, want = result.view(NUMPY[dtype]), wanted.view(NUMPY[dtype])
    if dtype == BF16:
        got, want = bf16_to_float(got), bf16_to_float(want)
    if np.issubdtype(got.dtype, np.floating):
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        number = ~np.isnan(want)
        bits = {2: np.int16, 4: np.int32}[got.itemsize]
        got, want = got[number], want[number]
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
        distance = np.abs(got.view(bits).astype(np.int64) - want.view(bits).astype(np.int64))
        off = distance > ulps
        assert not off.any(), (np.count_nonzero(off), got[off][:4], want[off][:4])
    else:
        np.testing.assert_array_equal(got, want)


def bf16_to_float(bits: Array) -> Array:
    return np.asarray((bits.astype(np.uint32) << 16).view(np.float32))


def random_image(rng: np.random.Generator, dtype: int, nbytes: int, edges: bool = True) -> Array:
    """Bytes that make sensible numbers of the type, with its border values among them."""
    kind = NUMPY[dtype]
    n = nbytes // np.dtype(kind).itemsize
    if np.issubdtype(kind, np.integer):
        info = np.iinfo(kind)
        values = rng.integers(info.min, info.max, n, dtype=kind, endpoint=True)
        small = rng.integers(0, 100, n).astype(kind)
        values = np.where(rng.random(n) < 0.5, values, small)
        special = np.array([info.min, info.max, 0, 1, info.max - 1], kind)
    else:
        finfo = np.finfo(kind)
        values = (rng.standard_normal(n) * 10.0 ** rng.integers(-4, 4, n)).astype(kind)
        special = np.array(
            [0.0, -0.0, np.inf, -np.inf, np.nan, finfo.max, finfo.min, finfo.smallest_subnormal,
             -finfo.smallest_subnormal, finfo.smallest_normal, 1.0, -1.0, 0.5, 1.5, 2.5], kind
        )  # fmt: skip
    if edges:
        values = np.where(rng.random(n) < 0.15, rng.choice(special, n), values)
    return np.ascontiguousarray(values.astype(kind)).view(np.uint8)


def scalar_bits(value: Any, dtype: int) -> int:
    raw = np.array([value]).astype(NUMPY[dtype]).tobytes()
    return int.from_bytes(raw, "little")


def random_lanes(rng: np.random.Generator, case: Case) -> None:
    """One of the forms, with strides that keep the operands in their 16 KiB and apart."""
    per_repeat = 256 // case.size
    case.form = int(rng.integers(0, 4))
    if case.form == COUNT:
        case.count = int(rng.choice([0, 1, per_repeat, int(rng.integers(1, 30 * per_repeat))]))
        return
    case.repeats = int(rng.choice([0, 1, int(rng.integers(1, 9))]))
    case.count = int(rng.integers(1, per_repeat + 1))
    full = (1 << 64) - 1
    partial = int.from_bytes(rng.bytes(16), "little") | 1
    mask = partial if rng.random() < 0.5 else full << 64 | full
    case.mask_low, case.mask_high = mask & full, mask >> 64
    if case.form == PRESET or per_repeat <= 64:
        case.mask_low &= (1 << min(per_repeat, 64)) - 1
        case.mask_high &= (1 << max(per_repeat - 64, 0)) - 1
    case.counter = int(case.form != LEADING and rng.random() < 0.3)
    if case.counter:
        case.mask_low, case.mask_high = int(rng.integers(0, 7 * per_repeat)), 0
    for which in "dst", "a", "b":
        size = SIZE[case.dst_type if which == "dst" else case.src_type or case.dst_type]
        blocks = per_repeat * size // 32
        target = which == "dst"
        block = int(rng.choice([1, 1, 1, 2, 3] if target else [1, 1, 2, 3, 0]))
        apart = (blocks - 1) * max(block, 1) + 1  # repeats that do not meet
        steps = [apart, apart, apart + int(rng.integers(0, 8))]
        setattr(case, which + "_block", block)
        setattr(case, which + "_repeat", int(rng.choice(steps if target else [*steps, 0, 1, 8])))
