"""Comparisons, the compare mask register and selections against a restatement of their pages."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]

FIELDS = ["code", "dtype", "mode", "mask", "low", "high", "repeats", "block0", "repeat0", "block1"]
FIELDS += ["repeat1", "dst_repeat", "count", "counter", "scalar", "stored", "dst"]
MODES = ["LT", "GT", "EQ", "LE", "GE", "NE"]
NUMBERS = {np.float32: 0, np.float16: 1, np.int32: 2}
IN_BYTES, BIT_BYTES, DST = 32 * 1024, 4096, 104 * 1024
CASES = [(dtype, mode) for dtype in (np.float32, np.float16) for mode in range(6)] + [(np.int32, 2)]
EVERY_BIT = (1 << 64) - 1


def launch(
    sim: ModuleType, x: Array, z: Array, m: Array, y: Array, options: Any = None, **fields: int
) -> tuple[Array, list[str]]:
    """What the destination holds afterwards, and the reports."""
    plain = {"block0": 1, "block1": 1, "repeat0": 8, "repeat1": 8, "dst_repeat": 8, "mask": -1}
    plain |= {"stored": y.nbytes, "dst": DST, "dtype": NUMBERS[x.dtype.type]}
    fields = plain | fields
    parameters = np.array([fields.get(name, 0) % (1 << 64) for name in FIELDS], np.uint64)
    result = y.copy()
    arguments = [x, z, m, result, parameters]
    run = sim.run("vector_compare", 1, arguments, [], options or sim.Options())
    return result, list(run.reports)


def holds(mode: str, a: Array, b: Array) -> Array:
    """Anything with a NaN is false, NE too (tables 30 and 31 of the boundary value page)."""
    with np.errstate(invalid="ignore"):
        result: Array = {
            "LT": a < b,
            "GT": a > b,
            "EQ": a == b,
            "LE": a <= b,
            "GE": a >= b,
            "NE": a != b,
        }[mode]
    return np.asarray(result & (a == a) & (b == b))


def values(rng: np.random.Generator, dtype: Any) -> Array:
    n = IN_BYTES // np.dtype(dtype).itemsize
    x: Array = rng.integers(-4, 4, n).astype(dtype)
    if dtype is not np.int32:
        where = rng.random(n) < 0.1
        x[where] = rng.choice(np.array([np.nan, np.inf, -np.inf, -0.0], dtype), where.sum())
    else:
        x[::7] = rng.choice(np.array([-(2**31), 2**31 - 1], np.int32), len(x[::7]))
    return x


def lanes_at(x: Array, repeats: int, block: int, repeat: int) -> Array:
    """[repeat, lane] as the strides say."""
    per_block = 32 // x.itemsize
    lane = np.arange(256 // x.itemsize)
    r = np.arange(repeats)[:, None]
    return np.asarray(x[(r * repeat + lane // per_block * block) * per_block + lane % per_block])


def random_mask(rng: np.random.Generator) -> Array:
    return rng.integers(0, 256, BIT_BYTES).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("dtype", "mode"), CASES)
@pytest.mark.parametrize("code", range(6))
def test_compare(sim: ModuleType, code: int, dtype: Any, mode: int, seed: int) -> None:
    rng = np.random.default_rng([1, code, mode, seed])
    x, z = values(rng, dtype), values(rng, dtype)
    lanes = 256 // x.itemsize
    y = rng.integers(0, 256, 1024).astype(np.uint8)
    scalar = rng.choice(
        np.array([2, -1] if dtype is np.int32 else [1, -0.0, np.nan, np.inf], dtype)
    )
    word = int(np.frombuffer(scalar.tobytes().ljust(4, b"\0"), np.uint32)[0])
    repeats = int(rng.integers(1, 60))
    fields = {
        "block0": int(rng.integers(0, 3)),
        "repeat0": int(rng.integers(0, 15)),
        "block1": int(rng.integers(0, 3)),
        "repeat1": int(rng.integers(0, 15)),
    }
    if code % 2:
        fields = {"block0": 1, "repeat0": 8, "block1": 1, "repeat1": 8}
    # The mask has no effect, whatever it is.
    asked = {"mask": 5} if seed % 2 else {"low": 3, "mask": 1 if dtype is np.int32 else -1}
    got, reports = launch(
        sim,
        x,
        z,
        random_mask(rng),
        y,
        code=code,
        mode=mode,
        repeats=repeats,
        count=repeats * lanes,
        scalar=word,
        **fields,
        **asked,
    )
    assert reports == []
    a = lanes_at(x, repeats, fields["block0"], fields["repeat0"])
    b = (
        lanes_at(z, repeats, fields["block1"], fields["repeat1"])
        if code < 2
        else np.full_like(a, scalar)
    )
    want = y.copy()
    bits = np.packbits(holds(MODES[mode], a, b).ravel(), bitorder="little")
    want[: len(bits)] = bits
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_compare_register(sim: ModuleType, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng([2, seed])
    x, z, m = values(rng, dtype), values(rng, dtype), random_mask(rng)
    lanes = 256 // x.itemsize
    mode = seed % 6
    bits = int.from_bytes(rng.bytes(16), "little") & ((1 << lanes) - 1)
    asked = {"low": bits & EVERY_BIT, "high": bits >> 64}
    if seed % 3 == 0:
        asked = {"mask": int(rng.integers(1, lanes + 1))}
        bits = (1 << asked["mask"]) - 1
    got, reports = launch(
        sim, x, z, m, np.zeros(128, np.uint8), code=6, mode=mode, block1=2, stored=32, **asked
    )
    assert any("which nothing has written" in r for r in reports)  # only 16 bytes mean something
    found = holds(MODES[mode], lanes_at(x, 1, 1, 8), lanes_at(z, 1, 2, 8))[0]
    before = np.unpackbits(m[:16], bitorder="little").astype(bool)
    on = np.array([bits >> n & 1 for n in range(128)], bool)
    found = np.concatenate([found, np.zeros(128 - lanes, bool)])
    want = np.packbits(np.where(on, found, before), bitorder="little")
    np.testing.assert_array_equal(got[:16], want)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_select(sim: ModuleType, mode: int, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng([3, mode, seed])
    x, z, m = values(rng, dtype), values(rng, dtype), random_mask(rng)
    lanes = 256 // x.itemsize
    y = rng.integers(0, 8, IN_BYTES // x.itemsize).astype(dtype)
    scalar = np.array(rng.choice([1.5, -7, np.nan]), dtype)
    word = int(np.frombuffer(scalar.tobytes().ljust(4, b"\0"), np.uint32)[0])
    repeats = int(rng.integers(1, 40))
    code = 10 + seed % 3
    fields = {
        "block0": int(rng.integers(0, 3)),
        "repeat0": int(rng.integers(0, 12)),
        "block1": int(rng.integers(0, 3)),
        "repeat1": int(rng.integers(0, 12)),
        "dst_repeat": int(rng.integers(8, 16)),
    }
    on = np.ones((repeats, lanes), bool)
    if code == 11:
        count = int(rng.integers(1, repeats * lanes + 1))
        fields = {
            "block0": 1,
            "repeat0": 8,
            "block1": 1,
            "repeat1": 8,
            "dst_repeat": 8,
            "count": count,
        }
        on = (np.arange(repeats * lanes) < count).reshape(repeats, lanes)
    elif code == 12 and seed % 2:
        count = int(rng.integers(1, repeats * lanes + 1))
        fields["counter"] = count
        on = (np.arange(repeats * lanes) < count).reshape(repeats, lanes)
    else:
        bits = int.from_bytes(rng.bytes(16), "little") & ((1 << lanes) - 1)
        asked = {"low": bits & EVERY_BIT, "high": bits >> 64}
        if seed % 2:
            asked = {"mask": int(rng.integers(1, lanes + 1))}
            bits = (1 << asked["mask"]) - 1
        fields |= asked
        on[:] = [bool(bits >> n & 1) for n in range(lanes)]
    got, reports = launch(
        sim, x, z, m, y, code=code, mode=mode, repeats=repeats, scalar=word, **fields
    )
    assert reports == []
    a = lanes_at(x, repeats, fields["block0"], fields["repeat0"])
    b = (
        lanes_at(z, repeats, fields["block1"], fields["repeat1"])
        if mode != 1
        else np.full_like(a, scalar)
    )
    selected = np.unpackbits(m, bitorder="little").astype(bool)
    selected = np.tile(selected[:lanes], repeats) if mode == 0 else selected[: repeats * lanes]
    chosen = selected.reshape(a.shape)
    result = np.where(chosen, a, b)
    want = y.copy()
    for r in range(repeats):
        at = r * fields["dst_repeat"] * 32 // x.itemsize
        part = want[at : at + lanes]
        part[on[r]] = result[r][on[r]]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("code", [10, 12])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_reserved_temporaries(sim: ModuleType, mode: int, code: int) -> None:
    """Select may write UB from 184 KiB on, the kernel may not."""
    x = np.ones(IN_BYTES // 4, np.float32)
    m = np.zeros(BIT_BYTES, np.uint8)
    asked = {"code": code, "mode": mode, "low": EVERY_BIT, "repeats": 1, "dst": 183 * 1024}
    _, reports = launch(sim, x, x, m, np.zeros(256, np.float32), **asked)
    assert reports == []
    _, reports = launch(sim, x, x, m, np.zeros(512, np.float32), **asked)
    assert any("where library functions keep temporaries" in r for r in reports)
    options = sim.Options()
    options.reserved_temporaries = False
    _, reports = launch(sim, x, x, m, np.zeros(256, np.float32), options, **asked)
    assert any("needs the reserved UB at 184 KiB" in r for r in reports)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"code": 1, "count": 100}, "100 elements are 400 bytes, must be a multiple of 256"),
        ({"code": 5, "count": 63}, "multiple of 256"),
        ({"code": 0, "repeats": 256}, "repeat 256, allowed 0 to 255"),
        ({"code": 10, "repeats": 300, "mask": 64}, "repeat 300"),
        ({"code": 0, "dst": DST + 16}, "dst: UB address"),
    ],
)
def test_limits(sim: ModuleType, asked: dict[str, int], text: str) -> None:
    x, y = np.ones(IN_BYTES // 4, np.float32), np.zeros(512, np.uint8)
    fields = {"repeats": 1} | asked
    _, reports = launch(sim, x, x, np.zeros(BIT_BYTES, np.uint8), y, **fields)
    assert any(text in report for report in reports), reports


def test_int32_only_equal(sim: ModuleType) -> None:
    x, y = np.ones(IN_BYTES // 4, np.int32), np.zeros(512, np.uint8)
    m = np.zeros(BIT_BYTES, np.uint8)
    _, reports = launch(sim, x, x, m, y, code=1, count=64, mode=0)
    assert any("int32, allowed fp16, fp32, and int32 with EQ" in report for report in reports)
