"""Reductions against a restatement of their pages."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]

FIELDS = ["code", "half", "source_bytes", "result_bytes", "mask", "low", "high", "repeats"]
FIELDS += ["dst_step", "src_block", "src_repeat", "order", "count", "preset", "result_offset"]
BLOCK, WHOLE = {"max": 0, "min": 1, "sum": 2}, {"max": 3, "min": 4, "sum": 5}
ALL, COUNTED = {"max": 20, "min": 21, "sum": 22}, {"max": 30, "min": 31, "sum": 32}
PAIR, REPEAT_SUM = 6, 7
NEW_NAMES = {0: 10, 1: 11, 2: 12, 3: 13, 4: 14, 5: 15, 6: 16}
DTYPES = [np.float32, np.float16]
EVERY_BIT = (1 << 64) - 1


def launch(sim: ModuleType, x: Array, y: Array, **fields: int) -> tuple[Array, list[str]]:
    """What the destination holds afterwards, and the reports."""
    fields = {"half": int(x.dtype == np.float16), "mask": -1, "src_block": 1} | fields
    fields |= {"source_bytes": x.nbytes, "result_bytes": y.nbytes}
    parameters = np.array([fields.get(name, 0) % (1 << 64) for name in FIELDS], np.uint64)
    result = y.copy()
    reports = sim.run("vector_reduce", 1, [x, result, parameters]).reports
    return result, list(reports)


def tree(values: list[Any]) -> Any:
    """Neighbours are added; lanes that are off (None) are left out."""
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=True)
        values = [(b if a is None else a) if a is None or b is None else a + b for a, b in pairs]
    return values[0]


def best_lane(op: str, values: list[Any]) -> int:
    """The first NaN, else the first of the largest or smallest."""
    lanes = [n for n, v in enumerate(values) if v is not None]
    for n in lanes:
        if np.isnan(values[n]):
            return n
    pick = max if op == "max" else min
    target = pick(values[n] for n in lanes)
    return next(n for n in lanes if values[n] == target)


def repeat_lanes(x: Array, bits: int, repeat: int, src_block: int, src_repeat: int) -> list[Any]:
    """The lanes of one repeat, None where the mask is off."""
    per_block = 32 // x.itemsize
    lanes: list[Any] = []
    for lane in range(256 // x.itemsize):
        at = (repeat * src_repeat + lane // per_block * src_block) * per_block + lane % per_block
        lanes.append(x[at] if bits >> lane & 1 else None)
    return lanes


def masks(total_lanes: int, bits: int, repeats: int, count: int) -> list[int]:
    """Mask of each repeat; count >= 0 is counter mode."""
    if count < 0:
        return [bits] * repeats
    full = (1 << total_lanes) - 1
    return [
        full if count >= n + total_lanes else (1 << (count - n)) - 1
        for n in range(0, count, total_lanes)
    ]


def reduced_groups(op: str, lanes: list[Any], group: int) -> list[Any]:
    """One value per group of lanes, None where all are off."""
    results: list[Any] = []
    for first in range(0, len(lanes), group):
        part = lanes[first : first + group]
        if all(v is None for v in part):
            results.append(None)
        elif op == "sum":
            results.append(tree(part))
        else:
            results.append(part[best_lane(op, part)])
    return results


def random_values(rng: np.random.Generator, n: int, dtype: Any, special: bool) -> Array:
    x = rng.integers(-40, 40, n).astype(np.float64) / 8 + rng.standard_normal(n) * (n % 2)
    x = x.astype(dtype)
    if special:
        where = rng.random(n) < 0.03
        x[where] = rng.choice(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], dtype), where.sum())
    return x


def random_bits(rng: np.random.Generator, lanes: int) -> int:
    """Sparse, dense or whole blocks off."""
    bits = [int(b) for b in rng.random(lanes) < rng.choice([0.1, 0.5, 1.0])]
    for first in range(0, lanes, 8):
        if rng.random() < 0.2:
            bits[first : first + 8] = [0] * 8
    return sum(b << n for n, b in enumerate(bits))


def layout(rng: np.random.Generator, dtype: Any) -> dict[str, int]:
    repeats = int(rng.integers(1, 12))
    return {
        "repeats": repeats,
        "src_block": int(rng.integers(0, 4)),
        "src_repeat": int(rng.integers(0, 12)),
        "dst_step": int(rng.integers(1, 4)),
    }


def masked_case(rng: np.random.Generator, lanes: int) -> tuple[int, int, dict[str, int]]:
    """Bits, count (-1: none) and the fields that ask for them in one of four ways."""
    kind = int(rng.integers(0, 4))
    if kind == 0:
        mask = int(rng.integers(1, lanes + 1))
        return (1 << mask) - 1, -1, {"mask": mask}
    if kind == 3:
        count = int(rng.integers(1, 9 * lanes))
        return 0, count, {"preset": 2, "count": count}
    bits = random_bits(rng, lanes)
    words = {"low": bits & EVERY_BIT, "high": bits >> 64}
    return bits, -1, words | {"preset": kind - 1}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["max", "min", "sum"])
def test_block_reduce(sim: ModuleType, op: str, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng([1, seed])
    size = np.dtype(dtype).itemsize
    lanes = 256 // size
    fields = layout(rng, dtype)
    bits, count, asked = masked_case(rng, lanes)
    x = random_values(rng, 16384, dtype, seed % 2 == 1)
    y = random_values(rng, 2048, dtype, False)
    code = BLOCK[op] if seed % 4 < 2 else NEW_NAMES[BLOCK[op]]
    got, reports = launch(sim, x, y, code=code, **fields, **asked)
    assert reports == []
    want = y.copy()
    with np.errstate(all="ignore"):
        for r, mask in enumerate(masks(lanes, bits, fields["repeats"], count)):
            part = repeat_lanes(x, mask, r, fields["src_block"], fields["src_repeat"])
            for n, value in enumerate(reduced_groups(op, part, 32 // size)):
                if value is not None:
                    want[r * 8 * fields["dst_step"] + n] = value
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtype", DTYPES)
def test_pair_reduce(sim: ModuleType, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng([2, seed])
    size = np.dtype(dtype).itemsize
    lanes = 256 // size
    fields = layout(rng, dtype)
    bits, count, asked = masked_case(rng, lanes)
    x = random_values(rng, 16384, dtype, seed % 2 == 1)
    y = random_values(rng, 4096, dtype, False)
    got, reports = launch(
        sim, x, y, code=PAIR if seed % 4 < 2 else NEW_NAMES[PAIR], **fields, **asked
    )
    assert reports == []
    want = y.copy()
    with np.errstate(all="ignore"):
        for r, mask in enumerate(masks(lanes, bits, fields["repeats"], count)):
            part = repeat_lanes(x, mask, r, fields["src_block"], fields["src_repeat"])
            for n, value in enumerate(reduced_groups("sum", part, 2)):
                if value is not None:
                    want[r * lanes // 2 * fields["dst_step"] + n] = value
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["max", "min", "sum"])
def test_whole_reduce(sim: ModuleType, op: str, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng([3, seed])
    size = np.dtype(dtype).itemsize
    lanes = 256 // size
    fields = layout(rng, dtype)
    order = int(rng.integers(0, 4)) if op != "sum" else 0
    bits, count, asked = masked_case(rng, lanes)
    x = random_values(rng, 16384, dtype, seed % 2 == 1)
    y = random_values(rng, 1024, dtype, False)
    code = WHOLE[op] if seed % 4 < 2 else NEW_NAMES[WHOLE[op]]
    got, reports = launch(sim, x, y, code=code, order=order, **fields, **asked)
    assert reports == []
    want = y.copy()
    word = np.uint32 if size == 4 else np.uint16
    unit = {"sum": size}.get(op, [2 * size, 2 * size, size, 4][order])
    raw = want.view(np.uint8)
    with np.errstate(all="ignore"):
        for r, mask in enumerate(masks(lanes, bits, fields["repeats"], count)):
            part = repeat_lanes(x, mask, r, fields["src_block"], fields["src_repeat"])
            if mask == 0:
                continue
            if op == "sum":
                data = np.array([tree(part)], dtype).tobytes()
            else:
                lane = best_lane(op, part)
                value, index = part[lane].tobytes(), np.array([lane], word).tobytes()
                data = [value + index, index + value, value, np.uint32(lane).tobytes()][order]
            at = r * unit * fields["dst_step"]
            raw[at : at + len(data)] = np.frombuffer(data, np.uint8)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_repeat_reduce_sum(sim: ModuleType, dtype: Any) -> None:
    rng = np.random.default_rng(4)
    lanes = 256 // np.dtype(dtype).itemsize
    x = random_values(rng, 4096, dtype, False)
    y = random_values(rng, 64, dtype, False)
    got, reports = launch(
        sim, x, y, code=REPEAT_SUM, mask=lanes - 3, repeats=5, dst_step=2, src_repeat=9
    )
    assert reports == []
    want = y.copy()
    for r in range(5):
        want[2 * r] = tree(repeat_lanes(x, (1 << (lanes - 3)) - 1, r, 1, 9))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["max", "min"])
def test_reduce_all_extreme(sim: ModuleType, op: str, dtype: Any, index: int, seed: int) -> None:
    rng = np.random.default_rng([5, seed])
    size = np.dtype(dtype).itemsize
    lanes = 256 // size
    y = random_values(rng, 32, dtype, False)
    word = np.uint32 if size == 4 else np.uint16
    x = random_values(rng, 32768 // (size // 2), dtype, seed % 4 == 3)
    if seed % 2 == 0:
        count = int(rng.choice([1, lanes - 1, lanes, lanes + 1, 3 * lanes, 40 * lanes + 7, 16000]))
        got, reports = launch(sim, x, y, code=COUNTED[op], count=count, order=index)
        values = list(x[:count])
        where = best_lane(op, values)
    else:
        repeats = int(rng.choice([1, 2, 31, 65, 100]))
        step = int(rng.choice([4, 8]))
        mask = int(rng.integers(1, lanes // 2 + 1))
        got, reports = launch(
            sim, x, y, code=ALL[op], mask=mask, repeats=repeats, src_repeat=step, order=index
        )
        taken = [r * step * 32 // size + n for r in range(repeats) for n in range(mask)]
        values = list(x)
        where = taken[best_lane(op, [x[n] for n in taken])]
    assert reports == []
    want = y.copy()
    want[0] = values[where]
    if index:
        want.view(word)[1] = where
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", DTYPES)
def test_reduce_sum(sim: ModuleType, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng([6, seed])
    lanes = 256 // np.dtype(dtype).itemsize
    x = random_values(rng, 16384, dtype, False)
    y = random_values(rng, 32, dtype, False)
    full = (1 << lanes) - 1
    if seed % 3 < 2:  # repeats one after the other
        count = int(rng.choice([1, lanes - 1, lanes, lanes + 1, 5 * lanes + 9]))
        preset = {"preset": 2, "code": 33} if seed % 3 else {"code": COUNTED["sum"]}
        got, reports = launch(sim, x, y, count=count, **preset)
        parts = [
            tree(repeat_lanes(x, m, r, 1, 8)) for r, m in enumerate(masks(lanes, full, 0, count))
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
    else:  # repeats as a tree too
        repeats = int(rng.choice([1, 2, lanes, lanes + 1, 2 * lanes - 5]))
        got, reports = launch(sim, x, y, code=ALL["sum"], mask=lanes, repeats=repeats, src_repeat=4)
        parts = [tree(repeat_lanes(x, full, r, 1, 4)) for r in range(repeats)]
        while len(parts) > 1:
            padded = parts + [None] * (-len(parts) % lanes)
            parts = [tree(padded[n : n + lanes]) for n in range(0, len(padded), lanes)]
        total = parts[0]
    assert reports == []
    want = y.copy()
    want[0] = total
    np.testing.assert_array_equal(got, want)


def test_edges(sim: ModuleType) -> None:
    """Tables 33 to 38 of the boundary value page."""
    inf, nan = np.inf, np.nan
    for dtype in DTYPES:
        per_block = 32 // np.dtype(dtype).itemsize
        largest = np.finfo(dtype).max
        rows = [
            ([largest] * per_block, largest, largest, inf),
            ([-0.0] * per_block, -0.0, -0.0, -0.0),
            ([inf, -inf] * (per_block // 2), inf, -inf, nan),
            ([nan] * per_block, nan, nan, nan),
            ([1.0] * (per_block - 1) + [inf], inf, 1.0, inf),
            ([1.0] * (per_block - 1) + [-inf], 1.0, -inf, -inf),
            ([1.0] * (per_block - 1) + [nan], nan, nan, nan),
        ]
        x = np.concatenate([np.array(row[0], dtype) for row in rows] + [np.zeros(per_block, dtype)])
        for n, op in enumerate(["max", "min", "sum"]):
            got, reports = launch(
                sim,
                x,
                np.zeros(32, dtype),
                code=BLOCK[op],
                mask=8 * per_block,
                repeats=1,
                dst_step=1,
                src_repeat=8,
            )
            assert reports == []
            want = np.array([row[n + 1] for row in rows], dtype)
            np.testing.assert_array_equal(got[:7], want)
            np.testing.assert_array_equal(np.signbit(got[1]), True)


def test_nothing_to_do(sim: ModuleType) -> None:
    x, y = np.ones(1024, np.float32), np.full(64, 7, np.float32)
    for asked in ({"mask": 0, "repeats": 3}, {"mask": 64, "repeats": 0}, {"low": 0, "repeats": 2}):
        for code in (0, 3, 6, 22):
            got, reports = launch(sim, x, y, code=code, dst_step=1, src_repeat=8, **asked)
            assert reports == []
            np.testing.assert_array_equal(got, y)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"repeats": 256}, "repeat 256, allowed 0 to 255"),
        ({"src_repeat": 65536}, "src repeat 65536, allowed 0 to 65535"),
        ({"dst_step": -1}, "dst -1"),
        ({"result_offset": 16}, "dst: UB address"),
        ({"repeats": 33}, "which nothing has written"),
        ({"code": 3, "result_offset": 4}, "multiple of 8 bytes"),
    ],
)
def test_limits(sim: ModuleType, asked: dict[str, int], text: str) -> None:
    x, y = np.ones(2048, np.float32), np.zeros(512, np.float32)
    fields = {"code": 0, "mask": 64, "repeats": 1, "dst_step": 1, "src_repeat": 8} | asked
    _, reports = launch(sim, x, y, **fields)
    assert any(text in report for report in reports), reports


def test_unwritten_lanes(sim: ModuleType) -> None:
    """Results of written lanes count as written beside those of unwritten ones."""
    x, y = np.ones(2048, np.float32), np.zeros(256, np.float32)
    got, reports = launch(sim, x, y, code=2, mask=64, repeats=33, dst_step=1, src_repeat=8)
    assert reports == []
    np.testing.assert_array_equal(got, 8)


@pytest.mark.parametrize("pattern", ["RA", "AR"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 8), (4, 16), (7, 24), (33, 40), (3, 13)])
def test_patterns(sim: ModuleType, pattern: str, rows: int, columns: int) -> None:
    rng = np.random.default_rng([7, rows, columns])
    width = (columns + 7) // 8 * 8
    x = random_values(rng, rows * width, np.float32, False).reshape(rows, width)
    y = np.zeros(64, np.float32)
    axis = 0 if pattern == "RA" else 1
    values = x[:, :columns]
    codes = {
        "RA": {40: values.max(0), 42: values.astype(np.float64).sum(0)},
        "AR": {41: values.max(1), 43: values.astype(np.float64).sum(1), 44: values.min(1)},
    }
    for code, want in codes[pattern].items():
        got, reports = launch(sim, x.ravel(), y, code=code, repeats=rows, count=columns)
        assert reports == []
        np.testing.assert_array_equal(got[: values.shape[1 - axis]], want.astype(np.float32))


def test_broadcast(sim: ModuleType) -> None:
    x = np.arange(1, 65, dtype=np.float32)
    for code, shape, source in [
        (50, (6, 16), (1, 16)),
        (51, (16, 24), (16, 1)),
        (52, (1, 40), (1, 1)),
        (51, (5, 12), (5, 1)),
    ]:
        y = np.zeros(512, np.float32)
        got, reports = launch(
            sim,
            x,
            y,
            code=code,
            repeats=shape[0],
            count=shape[1],
            src_repeat=source[0],
            src_block=source[1],
        )
        assert reports == []
        want = np.broadcast_to(x[: source[0] * source[1]].reshape(source), shape)
        np.testing.assert_array_equal(got[: shape[0] * shape[1]].reshape(shape), want)
    _, reports = launch(
        sim, x, np.zeros(64, np.float32), code=50, repeats=4, count=16, src_repeat=2, src_block=16
    )
    assert any("does not broadcast" in report for report in reports)
