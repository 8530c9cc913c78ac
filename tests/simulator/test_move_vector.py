"""DataCopy and DataCopyPad of a vector core against the documented formulas."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import ModuleType

import numpy as np
import pytest

AREA = 65536
GM = 1 << 18
OPERATIONS = (
    "in out in_count out_count local local_count pad_in pad_out pad_in_short pad_out_short "
    "init_output"
).split()


@dataclass
class Move:
    """Arguments of kernel move_vector; addresses in bytes, fields as the kernel gives them."""

    operation: str
    width: int
    ub: int = 0
    gm: int = 0
    count: int = 1
    length: int = 0
    src: int = 0
    dst: int = 0
    pad: int = 0
    left: int = 0
    right: int = 0
    value: int = 0
    ub2: int = 0
    atomic: int = 0
    record: int = 0
    cached: int = 1

    def array(self) -> np.ndarray:
        values = [getattr(self, field.name) for field in fields(self)]
        values[0] = OPERATIONS.index(self.operation)
        return np.array(values, np.int64)


@dataclass
class Outcome:
    gm: np.ndarray
    ub: np.ndarray
    reports: list[str]


def run(
    sim: ModuleType, move: Move, gm: np.ndarray, ub: np.ndarray, kernel: str = "move_vector"
) -> Outcome:
    gm, after = gm.copy(), np.zeros(AREA, np.uint8)
    result = sim.run(kernel, 1, [move.array(), gm, ub, after], [3])
    return Outcome(gm, after, result.reports)


def random_memory(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, 256, GM, np.uint8), rng.integers(0, 256, AREA, np.uint8)


def round32(n: int) -> int:
    return -(-n // 32) * 32


def blocks(start: int, count: int, length: int, gap: int) -> list[slice]:
    """Blocks of `length` bytes with `gap` bytes from the end of one to the start of the next."""
    starts = [start + n * (length + gap) for n in range(count)]
    return [slice(s, s + length) for s in starts]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("operation", ["in", "out", "local"])
def test_blocks(sim: ModuleType, operation: str, seed: int) -> None:
    rng = np.random.default_rng([seed, len(operation)])
    gm, ub = random_memory(rng)
    m = Move(operation, int(rng.choice([1, 2, 4, 8])))
    m.count, m.length = int(rng.integers(0, 12)), int(rng.integers(0, 20))
    m.src, m.dst = int(rng.integers(0, 30)), int(rng.integers(0, 30))
    m.ub, m.gm = 32 * int(rng.integers(0, 100)), m.width * int(rng.integers(0, 100))
    m.ub2 = AREA // 2 + 32 * int(rng.integers(0, 100))
    got = run(sim, m, gm, ub)
    assert got.reports == []
    ends = {"in": (gm, m.gm, ub, m.ub), "out": (ub, m.ub, gm, m.gm), "local": (ub, m.ub, ub, m.ub2)}
    source, source_at, target, target_at = ends[operation]
    source = source.copy()
    pairs = zip(
        blocks(source_at, m.count, 32 * m.length, 32 * m.src),
        blocks(target_at, m.count, 32 * m.length, 32 * m.dst),
        strict=True,
    )
    for a, b in pairs:
        target[b] = source[a]
    np.testing.assert_array_equal(got.ub, ub)
    np.testing.assert_array_equal(got.gm, gm)


@pytest.mark.parametrize("operation", ["in_count", "out_count", "local_count"])
@pytest.mark.parametrize(
    ("width", "elements"), [(1, 31), (1, 32), (2, 47), (4, 1000), (4, 7), (8, 5)]
)
def test_count_rounds_down(sim: ModuleType, operation: str, width: int, elements: int) -> None:
    gm, ub = random_memory(np.random.default_rng(width * elements))
    got = run(sim, Move(operation, width, length=elements, ub2=AREA // 2), gm, ub)
    assert got.reports == []
    whole = elements * width // 32 * 32
    if operation == "in_count":
        ub[:whole] = gm[:whole]
    elif operation == "out_count":
        gm[:whole] = ub[:whole]
    else:
        ub[AREA // 2 : AREA // 2 + whole] = ub[:whole]
    np.testing.assert_array_equal(got.ub, ub)
    np.testing.assert_array_equal(got.gm, gm)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("short", [False, True])
def test_pad_in(sim: ModuleType, seed: int, short: bool) -> None:
    rng = np.random.default_rng([seed, short])
    gm, ub = random_memory(rng)
    width = int(rng.choice([1, 2, 4, 8]))
    m = Move("pad_in_short" if short else "pad_in", width)
    m.count, m.length = int(rng.integers(1, 20)), width * int(rng.integers(0, 200))
    m.src, m.dst = int(rng.integers(0, 200)), int(rng.integers(0, 8))
    m.ub, m.gm = 32 * int(rng.integers(0, 50)), int(rng.integers(0, 100))
    m.pad = int(rng.integers(0, 2))
    if m.pad == 1:  # without a value, padding is undefined
        m.left = int(rng.integers(0, 32 // width + 1))
        m.right = int(rng.integers(0 if m.left else 1, 32 // width + 1))
        m.value = 0 if width == 8 else int(rng.integers(0, 1 << (8 * width - 1)))
    got = run(sim, m, gm, ub)
    assert got.reports == []
    left, total = m.left * width, round32((m.left + m.right) * width + m.length)
    sources = blocks(m.gm, m.count, m.length, m.src)
    for a, b in zip(sources, blocks(m.ub, m.count, total, 32 * m.dst), strict=True):
        if m.length == 0:
            continue
        element = gm[a][:width].tobytes()
        if m.pad == 1:
            element = m.value.to_bytes(width, "little")
        tail = total - left - m.length
        ub[b] = np.frombuffer(
            element * (left // width) + gm[a].tobytes() + element * (tail // width), np.uint8
        )
    np.testing.assert_array_equal(got.ub, ub)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("short", [False, True])
def test_pad_out(sim: ModuleType, seed: int, short: bool) -> None:
    rng = np.random.default_rng([seed, short])
    gm, ub = random_memory(rng)
    width = int(rng.choice([1, 2, 4, 8]))
    m = Move("pad_out_short" if short else "pad_out", width)
    m.count, m.length = int(rng.integers(0, 20)), width * int(rng.integers(0, 200))
    m.src, m.dst = int(rng.integers(0, 8)), int(rng.integers(0, 200))
    m.ub, m.gm = 32 * int(rng.integers(0, 50)), int(rng.integers(0, 100))
    got = run(sim, m, gm, ub)
    assert got.reports == []
    for a, b in zip(
        blocks(m.ub, m.count, round32(m.length), 32 * m.src),
        blocks(m.gm, m.count, m.length, m.dst),
        strict=True,
    ):
        gm[b] = ub[a.start : a.start + m.length]
    np.testing.assert_array_equal(got.gm, gm)


def test_pad_value_of_the_register(sim: ModuleType) -> None:
    gm, ub = random_memory(np.random.default_rng(3))
    got = run(sim, Move("pad_in", 4, length=12, left=1, right=2, pad=2, value=77), gm, ub)
    assert got.reports == []
    words = got.ub[:32].view(np.int32)
    np.testing.assert_array_equal(words, [77, *gm[:12].view(np.int32), 77, 77, 77, 77])


@pytest.mark.parametrize(("pad", "right"), [(0, 2), (1, 0)])
def test_undefined_padding(sim: ModuleType, pad: int, right: int) -> None:
    """Padding without a value, and a value without padding: the bytes count as unwritten."""
    gm, ub = random_memory(np.random.default_rng(4))
    got = run(sim, Move("pad_in", 4, length=20, right=right, pad=pad, value=5), gm, ub)
    assert len(got.reports) == 1
    assert "stores byte 20 of UB, which nothing has written" in got.reports[0]
    np.testing.assert_array_equal(got.ub[:20], gm[:20])
    np.testing.assert_array_equal(got.ub[20:32], np.full(12, 0xFF))


@pytest.mark.parametrize("elements", [1, 8159, 8160, 20000])
@pytest.mark.parametrize("width", [2, 4])
def test_init_output(sim: ModuleType, width: int, elements: int) -> None:
    gm, ub = random_memory(np.random.default_rng(elements))
    got = run(sim, Move("init_output", width, gm=8, length=elements, value=321), gm, ub)
    assert got.reports == []
    gm[8 : 8 + width * elements] = np.full(elements, 321, f"<i{width}").view(np.uint8)
    np.testing.assert_array_equal(got.gm, gm)


@pytest.mark.parametrize("width", [1, 2, 4, 20, 40])
@pytest.mark.parametrize("atomic", [1, 2, 3, 4])
def test_atomic(sim: ModuleType, width: int, atomic: int) -> None:
    dtype = {1: np.int8, 2: np.int16, 4: np.int32, 20: np.float16, 40: np.float32}[width]
    rng = np.random.default_rng([width, atomic])
    gm, ub = np.zeros(GM, np.uint8), np.zeros(AREA, np.uint8)
    count = 3 * 32 // np.dtype(dtype).itemsize
    a, b = (rng.integers(-60, 60, count).astype(dtype) for _ in range(2))
    gm[: a.nbytes], ub[: b.nbytes] = a.view(np.uint8), b.view(np.uint8)
    got = run(sim, Move("out_count", width, length=count, atomic=atomic), gm, ub)
    assert got.reports == []
    want = {1: a + b, 2: np.maximum(a, b), 3: np.minimum(a, b), 4: a + b}[atomic]
    np.testing.assert_array_equal(got.gm[: a.nbytes].view(dtype), want)


REPORTED = [
    ("narrowing", "blockCount 70000", Move("in", 4, count=70000, length=1)),
    ("parameter", "blockCount 4096, allowed 0 to 4095", Move("in", 4, count=4096, length=1)),
    ("narrowing", "blockLen 65536", Move("out", 2, length=65536)),
    ("narrowing", "srcGap 65536", Move("local", 2, count=2, length=1, src=65536)),
    ("narrowing", "dstGap -1", Move("in", 2, count=2, length=1, dst=-1)),
    ("alignment", "dst: UB address 16", Move("in", 2, ub=16, length=1)),
    ("alignment", "src: UB address 8", Move("out", 2, ub=8, length=1)),
    ("alignment", "dst: GM argument 1", Move("out", 4, gm=2, length=1)),
    ("alignment", "src: GM argument 1", Move("in", 4, gm=2, length=1)),
    ("alignment", "src: UB address 4", Move("pad_out", 4, ub=4, length=4)),
    ("parameter", "blockLen 2097152", Move("pad_in", 4, length=2097152)),
    ("narrowing", "blockLen 65536", Move("pad_out_short", 4, length=65536)),
    ("narrowing", "srcStride 4294967296", Move("pad_in", 4, count=2, length=4, src=1 << 32)),
    ("narrowing", "dstStride 65536", Move("pad_out_short", 4, count=2, length=4, dst=65536)),
    ("parameter", "not a multiple of the element's 4", Move("pad_in", 4, length=6)),
    ("parameter", "leftPadding 9, allowed 0 to 8", Move("pad_in", 4, length=4, left=9, pad=1)),
    ("narrowing", "rightPadding 256", Move("pad_in", 1, length=4, right=256, pad=1)),
    ("parameter", "64-bit type", Move("pad_in", 8, length=8, left=1, pad=1, value=1)),
    ("parameter", "overlap in part", Move("local", 4, length=4, ub2=32)),
    ("parameter", "overlap in part", Move("local", 4, count=4, length=1, src=3, dst=1, ub2=64)),
    ("gm bounds", "argument 1", Move("in", 4, gm=GM - 32, length=2)),
    ("gm bounds", "argument 1", Move("pad_out", 4, gm=GM - 8, length=12)),
    ("capacity", "UB", Move("in", 4, ub=196608 - 256, length=1)),
    ("parameter", "atomic moves take", Move("out", 2, length=0, atomic=6)),
    ("state", "stores int16 while the atomic mode", Move("out", 2, length=1, atomic=5)),
]


@pytest.mark.parametrize(("check", "text", "move"), REPORTED)
def test_reports(sim: ModuleType, check: str, text: str, move: Move) -> None:
    gm, ub = random_memory(np.random.default_rng(5))
    got = run(sim, move, gm, ub)
    assert len(got.reports) == 1, got.reports
    assert got.reports[0].startswith(check + " in move_vector"), got.reports
    assert text in got.reports[0]
    np.testing.assert_array_equal(got.gm, gm)  # a defective instruction does nothing
    np.testing.assert_array_equal(got.ub, ub)


@pytest.mark.parametrize(
    "move",
    [
        Move("in", 4, count=1, length=1, src=70000, dst=70000),  # one block has no gaps
        Move("local", 4, count=3, length=2, src=1, dst=1),  # onto itself
        Move("in", 4, count=4095, length=0),
    ],
)
def test_allowed(sim: ModuleType, move: Move) -> None:
    gm, ub = random_memory(np.random.default_rng(6))
    assert run(sim, move, gm, ub).reports == []


def test_atomic_onto_unwritten(sim: ModuleType) -> None:
    move = Move("out", 4, length=1, atomic=1)
    gm, after = np.zeros(GM, np.uint8), np.zeros(AREA, np.uint8)
    arguments = [move.array(), gm, np.zeros(AREA, np.uint8), after]
    reports = sim.run("move_vector", 1, arguments, [1, 3]).reports
    assert len(reports) == 1
    assert "updates byte 0 of GM argument 1, which nothing has written" in reports[0]


@pytest.mark.parametrize("operation", ["in", "pad_in", "pad_out", "local"])
def test_aic_does_nothing(sim: ModuleType, operation: str) -> None:
    """A mixed kernel runs the same code on the AIC, which has no UB."""
    gm, ub = random_memory(np.random.default_rng(8))
    move = Move(operation, 4, count=2, length=8, src=1, dst=2, ub2=4096)
    alone, mixed = run(sim, move, gm, ub), run(sim, move, gm, ub, "move_mixed")
    assert mixed.reports == []
    np.testing.assert_array_equal(mixed.gm, alone.gm)
    np.testing.assert_array_equal(mixed.ub, alone.ub)


def test_double(sim: ModuleType) -> None:
    gm, ub = random_memory(np.random.default_rng(9))
    got = run(sim, Move("in_count", 80, length=9), gm, ub)
    assert got.reports == []
    ub[:64] = gm[:64]
    np.testing.assert_array_equal(got.ub, ub)
