"""Gathering and transposing against a restatement of their pages."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]

FIELDS = ["code", "bits", "pattern", "counter", "mask", "low", "high", "repeats", "block", "repeat"]
FIELDS += ["mask_repeat", "count", "base", "dst_step", "high0", "high1", "n", "c", "hw"]
WORDS = {8: np.uint8, 16: np.uint16, 32: np.uint32}
IN_BYTES, MASK_BYTES, OUT_BYTES = 32 * 1024, 16 * 1024, 32 * 1024
UNWRITTEN = "which nothing has written"


def launch(
    sim: ModuleType, x: Array, m: Array, y: Array, **fields: int
) -> tuple[Array, int, list[str]]:
    """What the destination holds afterwards, the number kept, and the reports."""
    fields = {"bits": x.itemsize * 8, "block": 1, "repeat": 8, "dst_step": 8} | fields
    parameters = np.array([fields.get(name, 0) % (1 << 64) for name in FIELDS], np.uint64)
    result, kept = y.copy(), np.zeros(4, np.uint64)
    reports = sim.run("vector_gather", 1, [x, m, result, kept, parameters]).reports
    return result, int(kept[0]), list(reports)


def inputs(rng: np.random.Generator, bits: int) -> tuple[Array, Array, Array]:
    return (
        rng.integers(0, 256, IN_BYTES).astype(np.uint8).view(WORDS[bits]),
        rng.integers(0, 256, MASK_BYTES).astype(np.uint8),
        rng.integers(0, 256, OUT_BYTES).astype(np.uint8).view(WORDS[bits]),
    )


def pattern_bits(pattern: int, count: int) -> Array:
    element = np.arange(count)
    if pattern <= 2:
        return np.asarray(element % 2 == pattern - 1)
    return np.asarray(element % 4 == pattern - 3 if pattern < 7 else element >= 0)


@pytest.mark.parametrize("seed", range(32))
@pytest.mark.parametrize("bits", [16, 32])
def test_gather_mask(sim: ModuleType, bits: int, seed: int) -> None:
    rng = np.random.default_rng([1, bits, seed])
    x, m, y = inputs(rng, bits)
    per_block, repeats = 256 // bits, int(rng.integers(1, 10))
    fields = {"pattern": seed % 8, "counter": int(rng.integers(0, 2)), "repeats": repeats}
    fields |= {"block": int(rng.integers(1, 3)), "repeat": int(rng.integers(0, 30))}
    fields |= {"mask_repeat": int(rng.integers(0, 3)), "mask": int(rng.integers(1, 300))}
    count = fields["mask"] if fields["counter"] else 8 * per_block
    kept = []
    for r in range(repeats):
        element = np.arange(count)
        at = (r * fields["repeat"] + element // per_block * fields["block"]) * per_block
        on = pattern_bits(fields["pattern"], count)
        if fields["pattern"] == 0:
            words = m[r * fields["mask_repeat"] * 32 :]
            on = np.unpackbits(words, bitorder="little")[:count].astype(bool)
        kept.append(x[(at + element % per_block)[on]])
    want = np.concatenate(kept)
    got, number, reports = launch(sim, x, m, y, code=0, **fields)
    assert number == len(want)
    np.testing.assert_array_equal(got[: len(want)], want)
    # The rest of the last block is undefined.
    assert [UNWRITTEN in r for r in reports] == [True] * (len(want) % per_block != 0)
    after = -(-len(want) // per_block) * per_block
    np.testing.assert_array_equal(got[after:], y[after:])


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("bits", [16, 32])
def test_gather(sim: ModuleType, bits: int, seed: int) -> None:
    rng = np.random.default_rng([2, bits, seed])
    x, _, y = inputs(rng, bits)
    lanes, size = 2048 // bits, bits // 8
    base = int(rng.integers(0, 100)) * size
    offsets = rng.integers(0, IN_BYTES // size - 100, MASK_BYTES // 4).astype(np.uint32) * size
    repeats, step = int(rng.integers(1, 12)), int(rng.integers(8, 12))
    on = np.ones((repeats, lanes), bool)
    if seed % 3 == 0:
        count = int(rng.integers(1, repeats * lanes + 1))
        asked, step = {"count": count}, 8
        on = (np.arange(repeats * lanes) < count).reshape(repeats, lanes)
    elif seed % 3 == 1:
        asked = {"mask": int(rng.integers(1, lanes + 1))}
        on[:, asked["mask"] :] = False
    else:
        mask = int.from_bytes(rng.bytes(16), "little") & ((1 << lanes) - 1)
        asked = {"low": mask & ((1 << 64) - 1), "high": mask >> 64}
        on[:] = [bool(mask >> n & 1) for n in range(lanes)]
    got, _, reports = launch(
        sim,
        x,
        offsets.view(np.uint8),
        y,
        code=1,
        base=base,
        repeats=repeats,
        dst_step=step,
        **asked,
    )
    assert reports == []
    want = y.copy()
    for r in range(repeats):
        values = x[(base + offsets[r * lanes : (r + 1) * lanes]) // size]
        part = want[r * step * 32 // size :][:lanes]
        part[on[r]] = values[on[r]]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("code", [2, 3])
def test_transpose_rows(sim: ModuleType, code: int, bits: int, seed: int) -> None:
    rng = np.random.default_rng([3, code, bits, seed])
    x, m, y = inputs(rng, bits)
    size = bits // 8
    block, repeats = int(rng.integers(1, 12)), int(rng.choice([1, 2, 5]))
    repeat, step = int(rng.integers(0, 8)), int(rng.integers(16, 24))
    high = {"high0": int(rng.integers(0, 2)), "high1": int(rng.integers(0, 2))}
    got, _, reports = launch(
        sim, x, m, y, code=code, block=block, repeats=repeats, repeat=repeat, dst_step=step, **high
    )
    assert reports == []
    blocks = x.view(np.uint8).reshape(-1, 32)
    want = y.view(np.uint8).reshape(-1, 32).copy()
    for r in range(repeats):
        shift = 1 if repeats == 1 else r  # one repeat starts a step further
        rows = blocks[np.arange(16) * block + shift * repeat].view(WORDS[bits])
        target = want[shift * step : shift * step + 16]
        if size == 1:
            part = rows[:, 16 * high["high0"] :][:, :16].T
            target[:, 16 * high["high1"] : 16 * high["high1"] + 16] = part
        else:
            target[:] = np.ascontiguousarray(rows.T).view(np.uint8).reshape(16, 32)
    np.testing.assert_array_equal(got.view(np.uint8).reshape(-1, 32), want)


def test_transpose(sim: ModuleType) -> None:
    x, m, y = inputs(np.random.default_rng(4), 16)
    got, _, reports = launch(sim, x, m, y, code=4)
    assert reports == []
    np.testing.assert_array_equal(got[:256].reshape(16, 16), x[:256].reshape(16, 16).T)
    np.testing.assert_array_equal(got[256:], y[256:])


@pytest.mark.parametrize(("n", "c", "hw"), [(1, 3, 16), (3, 3, 32), (2, 17, 64), (0, 5, 32)])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_transpose_axes(sim: ModuleType, bits: int, n: int, c: int, hw: int) -> None:
    hw *= 2
    x, m, y = inputs(np.random.default_rng([5, bits, n]), bits)
    source = x[: n * c * hw]
    for code, shape in ((5, (n, c, hw)), (6, (n, hw, c))):
        got, _, reports = launch(sim, x, m, y, code=code, n=n, c=c, hw=hw)
        assert reports == []
        want = source.reshape(shape).transpose(0, 2, 1).ravel()
        np.testing.assert_array_equal(got[: len(want)], want)
        np.testing.assert_array_equal(got[len(want) :], y[len(want) :])


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"code": 0, "pattern": 8}, "src1Pattern 8, allowed 1 to 7"),
        ({"code": 0, "pattern": 1, "counter": 1}, "mask 0 in counter mode"),
        ({"code": 0, "pattern": 1, "block": 256}, "src0BlockStride 256 (255)"),
        ({"code": 1, "count": 8}, "outside, or not a multiple of 4"),
        ({"code": 1, "mask": 8, "repeats": 256}, "repeat 256"),
        ({"code": 2, "repeats": 256}, "repeatTimes 256 (at most 255)"),
        ({"code": 5, "n": 1, "c": 4096, "hw": 8}, "cSize 4096"),
        ({"code": 5, "n": 1, "c": 3, "hw": 7}, "28 bytes, must be a multiple of 32"),
    ],
)
def test_limits(sim: ModuleType, asked: dict[str, int], text: str) -> None:
    x, _, y = inputs(np.random.default_rng(6), 32)
    m = np.full(MASK_BYTES // 4, 3, np.uint32).view(np.uint8)
    _, _, reports = launch(sim, x, m, y, **({"repeats": 1} | asked))
    assert any(text in report for report in reports), reports
