"""Mmad against a restatement of its formula, and what it reports."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from simulator.cube import (
    L0_BYTES,
    L0C_BYTES,
    Array,
    MmadCall,
    from_bf16,
    from_zn,
    image,
    nz,
    round_up,
    run_mmad,
    to_bf16,
    zn,
    zz,
)

DTYPES = {"fp16": 0, "bf16": 1, "fp32": 2, "int8": 3}
C0 = {"fp16": 16, "bf16": 16, "fp32": 8, "int8": 32}
STEP = {"fp16": 16, "bf16": 16, "fp32": 4, "int8": 32}


def draw(rng: np.random.Generator, dtype: str, rows: int, columns: int) -> tuple[Array, Array]:
    """A matrix as its memory holds it, and its values."""
    values = rng.standard_normal((rows, columns)).astype(np.float32)
    if dtype == "fp16":
        held = values.astype(np.float16)
        return held, held.astype(np.float32)
    if dtype == "bf16":
        bits = to_bf16(values)
        return bits, from_bf16(bits)
    if dtype == "fp32":
        return values, values
    held = rng.integers(-128, 128, (rows, columns)).astype(np.int8)
    return held, held.astype(np.int64)


def product(a: Array, b: Array, start: Array, step: int) -> Array:
    """Products summed in order of k over each step in fp32, the sums added to C."""
    c = start.astype(np.float32)
    for first in range(0, a.shape[1], step):
        part = np.zeros_like(c)
        for k in range(first, min(first + step, a.shape[1])):
            part = part + a[:, k : k + 1] * b[k : k + 1, :]
        c = c + part
    return c


def largest_k(rng: np.random.Generator, dtype: str, m: int, n: int) -> int:
    size = {"fp16": 2, "bf16": 2, "fp32": 4, "int8": 1}[dtype]
    return L0_BYTES // size // round_up(max(m, n), 16) // 32 * 32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(8))
def test_product(sim: ModuleType, dtype: str, seed: int) -> None:
    rng = np.random.default_rng([seed, DTYPES[dtype]])
    m, n = int(rng.integers(2, 130)), int(rng.integers(1, 130))
    k = int(rng.integers(1, min(largest_k(rng, dtype, m, n), 200) + 1))
    align = bool(rng.integers(2)) and dtype == "fp32"
    (a, av), (b, bv) = draw(rng, dtype, m, k), draw(rng, dtype, k, n)
    call = MmadCall(m, n, k, align_k=align)
    k_step = 16 if align else 0
    got = run_mmad(
        sim,
        DTYPES[dtype],
        [call],
        image(zz(a, C0[dtype], k_step), L0_BYTES),
        image(nz(b, C0[dtype], k_step), L0_BYTES),
    )
    assert got.reports == []
    if dtype == "int8":
        want = av @ bv
        held = from_zn(got.data.view(np.int32), m, n)
    else:
        want = product(av, bv, np.zeros((m, n), np.float32), STEP[dtype])
        held = from_zn(got.data.view(np.float32), m, n)
    np.testing.assert_array_equal(held, want, err_msg=f"seed {seed}: {m} x {n} x {k}")


@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 33, 40), (2, 1, 5)])
def test_what_surrounds_the_result_is_unwritten(
    sim: ModuleType, shape: tuple[int, int, int]
) -> None:
    m, n, k = shape
    rng = np.random.default_rng(5)
    (a, _), (b, _) = draw(rng, "fp16", m, k), draw(rng, "fp16", k, n)
    full = image(np.zeros(L0C_BYTES, np.uint8), L0C_BYTES)
    got = run_mmad(
        sim, 0, [MmadCall(m, n, k)], image(zz(a, 16), L0_BYTES), image(nz(b, 16), L0_BYTES), c=full
    )
    count = round_up(m, 16) * round_up(n, 16)
    known = got.known.reshape(-1, 4).min(axis=1)
    inside = np.zeros((round_up(m, 16), round_up(n, 16)), np.uint8)
    inside[:m, :n] = 1
    np.testing.assert_array_equal(known[:count], zn(inside))
    assert known[count:].all()


def test_accumulation_in_place(sim: ModuleType) -> None:
    rng = np.random.default_rng(6)
    m, n, k = 48, 80, 32
    (a, av), (b, bv) = draw(rng, "bf16", m, k), draw(rng, "bf16", k, n)
    calls = [MmadCall(m, n, k), MmadCall(m, n, k, init=False), MmadCall(m, n, k, is_bias=True)]
    got = run_mmad(sim, 1, calls, image(zz(a, 16), L0_BYTES), image(nz(b, 16), L0_BYTES))
    assert got.reports == []
    want = np.zeros((m, n), np.float32)
    for _ in calls:
        want = product(av, bv, want, 16)
    np.testing.assert_array_equal(from_zn(got.data.view(np.float32), m, n), want)


@pytest.mark.parametrize("by_operand", [True, False])
def test_bias(sim: ModuleType, by_operand: bool) -> None:
    rng = np.random.default_rng(7)
    m, n, k = 20, 37, 24
    (a, av), (b, bv) = draw(rng, "fp16", m, k), draw(rng, "fp16", k, n)
    bias = rng.standard_normal(n).astype(np.float32)
    call = MmadCall(m, n, k, init=False, source_bt=not by_operand, bias=0 if by_operand else -1)
    got = run_mmad(
        sim, 0, [call], image(zz(a, 16), L0_BYTES), image(nz(b, 16), L0_BYTES), bias=bias
    )
    assert got.reports == []
    want = product(av, bv, np.tile(bias, (m, 1)), 16)
    np.testing.assert_array_equal(from_zn(got.data.view(np.float32), m, n), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_row_is_read_without_fractals(sim: ModuleType, dtype: str) -> None:
    rng = np.random.default_rng(8)
    n, k = 50, 200
    (a, av), (b, bv) = draw(rng, dtype, 1, k), draw(rng, dtype, k, n)
    got = run_mmad(
        sim,
        DTYPES[dtype],
        [MmadCall(1, n, k)],
        image(a, L0_BYTES),
        image(nz(b, C0[dtype]), L0_BYTES),
    )
    assert got.reports == []
    if dtype == "int8":
        want, held = av @ bv, got.data.view(np.int32)
    else:
        want = product(av, bv, np.zeros((1, n), np.float32), STEP[dtype])
        held = got.data.view(np.float32)
    np.testing.assert_array_equal(from_zn(held, 1, n), want)


def to_hf32(values: Array, to_even: bool) -> Array:
    """11 bits of fraction, in exact arithmetic."""
    fraction, exponent = np.frexp(values.astype(np.float64))
    scaled = fraction * 4096
    if to_even:
        whole = np.rint(scaled)
    else:
        whole = np.sign(scaled) * np.ceil(np.abs(scaled) - 0.5)
    return np.asarray(np.ldexp(whole / 4096, exponent), np.float32)


@pytest.mark.parametrize("mode", [1, 2])
def test_hf32(sim: ModuleType, mode: int) -> None:
    rng = np.random.default_rng(9)
    m, n, k = 18, 20, 21
    (a, av), (b, bv) = draw(rng, "fp32", m, k), draw(rng, "fp32", k, n)
    a.view(np.uint32)[:, 0] = (a.view(np.uint32)[:, 0] & ~np.uint32(0xFFF)) | 0x800  # ties
    got = run_mmad(
        sim,
        2,
        [MmadCall(m, n, k, hf32=mode)],
        image(zz(a, 8), L0_BYTES),
        image(nz(b, 8), L0_BYTES),
    )
    assert got.reports == []
    want = product(to_hf32(av, mode == 1), to_hf32(bv, mode == 1), np.zeros((m, n), np.float32), 8)
    np.testing.assert_array_equal(from_zn(got.data.view(np.float32), m, n), want)


def test_special_values(sim: ModuleType) -> None:
    a, b = np.ones((16, 16), np.float16), np.ones((16, 16), np.float16)
    a[0, 0], b[0, 0] = np.inf, 0.0
    a[1, 1] = np.nan
    a[2, :], b[:, 2] = 0.0, -0.0
    a[3, 3] = 65504.0
    a[4, 4] = 2.0**-24
    got = run_mmad(
        sim, 0, [MmadCall(16, 16, 16)], image(zz(a, 16), L0_BYTES), image(nz(b, 16), L0_BYTES)
    )
    c = from_zn(got.data.view(np.float32), 16, 16)
    assert np.isnan(c[0, 0]) and np.isposinf(c[0, 1])
    assert np.isnan(c[1]).all()
    assert (c[2] == 0).all()
    assert c[3, 3] == 65504.0 + 15
    assert c[4, 4] == np.float32(15 + 2.0**-24)


def test_integers_saturate(sim: ModuleType) -> None:
    a, b = np.full((16, 64), 127, np.int8), np.full((64, 16), 127, np.int8)
    start = np.full((16, 16), 2**31 - 1000, np.int32)
    got = run_mmad(
        sim,
        3,
        [MmadCall(16, 16, 64, init=False)],
        image(zz(a, 32), L0_BYTES),
        image(nz(b, 32), L0_BYTES),
        c=image(zn(start), L0C_BYTES),
    )
    assert (from_zn(got.data.view(np.int32), 16, 16) == 2**31 - 1).all()


def square(size: int = 16, seed: int = 1) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    rng = np.random.default_rng(seed)
    a, b = draw(rng, "fp16", size, size)[0], draw(rng, "fp16", size, size)[0]
    return image(zz(a, 16), L0_BYTES), image(nz(b, 16), L0_BYTES)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (MmadCall(4096, 16, 16), "m 4096, allowed 0 to 4095"),
        (MmadCall(16, 65552, 16), "n 65552 does not fit its field of 16 bits"),
        (MmadCall(16, 16, -1), "k -1 does not fit"),
        (MmadCall(16, 16, 16, unit_flag=1), "unitFlag 1, allowed 0, 2, 3"),
        (MmadCall(16, 16, 16, c=64), "dst: L0C address 64 is not a multiple of 1024"),
        (MmadCall(16, 16, 16, a=32), "fm: L0A address 32 is not a multiple of 512"),
        (MmadCall(16, 16, 16, b=256), "filter: L0B address 256 is not a multiple of 512"),
        (MmadCall(16, 16, 16, init=False, bias=32), "bias: BT address 32 is not a multiple of 64"),
        (MmadCall(1024, 1024, 16), "writes outside of the 131072 bytes of L0C"),
        (MmadCall(16, 16, 16, unit_flag=3), "unit flags of 2 blocks of L0C are still set"),
    ],
)
def test_reports(sim: ModuleType, call: MmadCall, text: str) -> None:
    got = run_mmad(sim, 0, [call], *square())
    assert any(text in report for report in got.reports), got.reports


def test_unwritten_rows_and_columns_spread(sim: ModuleType) -> None:
    rng = np.random.default_rng(11)
    m, n, k = 20, 40, 24
    a, b = draw(rng, "fp16", m, k)[0], draw(rng, "fp16", k, n)[0]
    a_known, b_known = np.ones((m, k), np.uint8), np.ones((k, n), np.uint8)
    c_known = np.ones((m, n), np.uint8)
    a_known[3, 5] = a_known[17, 23] = 0
    b_known[0, 0] = b_known[20, 39] = 0
    c_known[7, 9] = 0
    images: dict[str, tuple[Array, Array]] = {}
    pairs = {"a": (zz(a, 16), zz(a_known, 16)), "b": (nz(b, 16), nz(b_known, 16))}
    for name, (values, known) in pairs.items():
        data, flags = image(values, L0_BYTES)
        flags[: known.size * 2] = np.repeat(known, 2)
        images[name] = (data, flags)
    data, flags = image(np.zeros(0), L0C_BYTES)
    data[:] = 0
    flags[: zn(c_known).size * 4] = np.repeat(zn(c_known), 4)
    got = run_mmad(
        sim, 0, [MmadCall(m, n, k, init=False)], images["a"], images["b"], c=(data, flags)
    )
    assert got.reports == []
    want = np.ones((m, n), np.uint8)
    want[[3, 17], :] = 0
    want[:, [0, 39]] = 0
    want[7, 9] = 0
    known = got.known.reshape(-1, 4).min(axis=1)
    np.testing.assert_array_equal(from_zn(known, m, n), want)


def test_unwritten_bias_spreads(sim: ModuleType) -> None:
    got = run_mmad(
        sim, 0, [MmadCall(16, 16, 16, init=False, bias=0)], *square(), bias=np.ones(10, np.float32)
    )
    known = from_zn(got.known.reshape(-1, 4).min(axis=1), 16, 16)
    assert known[:, :10].all() and not known[:, 10:].any()


def test_wrong_types_are_reported(sim: ModuleType) -> None:
    got = run_mmad(sim, 4, [MmadCall(16, 16, 16)], *square())
    assert any("int8 x int8 -> float" in report for report in got.reports), got.reports


def test_int4_is_not_modelled(sim: ModuleType) -> None:
    with pytest.raises(sim.SimulatorBug, match="int4"):
        run_mmad(sim, 5, [MmadCall(16, 16, 16)], *square())


def test_nothing_happens_without_rows(sim: ModuleType) -> None:
    for call in (MmadCall(0, 16, 16), MmadCall(16, 0, 16), MmadCall(16, 16, 0, unit_flag=3)):
        got = run_mmad(sim, 0, [call], *square())
        assert got.reports == []
        assert not got.known.any()


def test_unit_flag_waits_in_vain(sim: ModuleType) -> None:
    twice = [MmadCall(16, 16, 16, unit_flag=3), MmadCall(16, 16, 16, unit_flag=2)]
    got = run_mmad(sim, 0, twice, *square())
    assert any("waits for the unit flag of L0C block 0" in r for r in got.reports), got.reports
