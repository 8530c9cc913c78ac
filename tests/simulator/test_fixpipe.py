"""Fixpipe against a restatement of its formulas, and what it reports."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from simulator.cube import (
    L0C_BYTES,
    Array,
    FixpipeCall,
    MmadCall,
    image,
    round_up,
    run_fixpipe,
    run_mmad,
    to_bf16,
)

QUANT = {
    "none": 0, "fp16": 1, "bf16": 16, "deq": 11, "vdeq": 10, "b8": 24, "vb8": 23, "req": 9,
    "vreq": 8,
}  # fmt: skip
STORED = {"fp16": np.uint16, "bf16": np.uint16, "fp32": np.uint32, "int32": np.uint32,
          "int8": np.uint8, "uint8": np.uint8}  # fmt: skip


def values_of(rng: np.random.Generator, source: str) -> Array:
    """All of L0C, with values of every size among them."""
    count = L0C_BYTES // 4
    if source == "int32":
        return rng.integers(-3000, 3000, count).astype(np.int32)
    spread = np.exp2(rng.integers(-30, 20, count).astype(np.float32))
    values = (rng.standard_normal(count) * spread).astype(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, 65519.0, 65520.0, 2.0**-25, 1e-40], np.float32)
    values[rng.integers(0, count, 4000)] = rng.choice(special, 4000)
    ties = rng.integers(0, count, 4000)
    values[ties] = (np.arange(4000) * 2 + 2049).astype(np.float32)
    return values


def scale_bits(factor: float, offset: int = 0, signed: bool = True) -> int:
    bits = int(np.array(factor, np.float32).view(np.uint32))
    return bits | (offset & 0x1FF) << 37 | int(signed) << 46


def factor_of(bits: Array) -> Array:
    kept = bits.astype(np.uint64) & np.uint64(0xFFFFE000)
    return np.asarray(kept.astype(np.uint32).view(np.float32))


def converted(x: Array, call: FixpipeCall, scales: Array) -> Array:
    """The m x n values of one matrix as bits of the target's type."""
    mode = {number: name for name, number in QUANT.items()}[call.quant].removeprefix("v")
    if mode == "none":
        y = np.where(x < 0, 0, x).astype(x.dtype) if call.relu else x
        return np.asarray(y.view(np.uint32))
    if mode in ("fp16", "bf16"):
        y = np.where(x < 0, np.float32(0), x) if call.relu else x
        with np.errstate(over="ignore"):
            return np.asarray(y, np.float16).view(np.uint16) if mode == "fp16" else to_bf16(y)
    with np.errstate(over="ignore", invalid="ignore"):
        y = x.astype(np.float32) * factor_of(scales)
        if call.relu:
            y = np.where(x < 0, np.float32(0), y)
        if mode == "deq":
            return np.asarray(y, np.float16).view(np.uint16)
    offset = ((scales >> np.uint64(37)) & np.uint64(0x1FF)).astype(np.int64)
    offset = np.where(offset >= 256, offset - 512, offset)
    whole = np.rint(np.clip(y, -256, 255)).astype(np.int64) + offset
    signed = (scales >> np.uint64(46)) & np.uint64(1) == 1
    whole = np.where(signed, np.clip(whole, -128, 127), np.clip(whole, 0, 255))
    return np.asarray(whole & 0xFF, np.uint8)


def expected(c: Array, call: FixpipeCall, scales: Array, out: Array) -> Array:
    """`out` (bytes) after the call, by loops over the documented addresses."""
    size = STORED[call.target](0).itemsize
    want: Array = out.copy()
    for p in range(1 if call.nz else call.matrices):
        rows, columns = np.meshgrid(np.arange(call.m), np.arange(call.n), indexing="ij")
        base = call.src // 4 + p * call.src_matrix_stride * 256
        read = base + columns // 16 * call.src_stride * 16 + rows * 16 + columns % 16
        bits = converted(c[read], call, np.broadcast_to(scales, (call.n,)))
        if not call.nz:
            write = call.dst + size * (
                p * call.dst_matrix_stride + rows * call.dst_stride + columns
            )
        else:
            group = 8 if call.split else 32 if size == 1 else 16
            # The last 16 columns of 8-bit values are not merged if they are alone.
            width = np.minimum(group, call.n - columns // group * group)
            inside = (rows * width + columns % group) * size
            write = call.dst + columns // group * call.dst_stride * 32 + inside
        view = np.ascontiguousarray(bits).view(np.uint8).reshape(call.m, call.n, size)
        for b in range(size):
            want[write + b] = view[:, :, b]
    return want


MODES = [
    ("fp32", "fp32", "none"), ("int32", "int32", "none"), ("fp32", "fp16", "fp16"),
    ("fp32", "bf16", "bf16"), ("int32", "fp16", "deq"), ("int32", "fp16", "vdeq"),
    ("fp32", "int8", "b8"), ("fp32", "uint8", "vb8"), ("int32", "int8", "req"),
    ("int32", "uint8", "vreq"),
]  # fmt: skip


def with_quant(
    rng: np.random.Generator, call: FixpipeCall, quant: str
) -> tuple[FixpipeCall, Array]:
    signed = call.target == "int8"
    if quant.startswith("v"):
        draws = rng.uniform(-2, 2, call.n)
        offsets = rng.integers(-100, 100, call.n)
        pairs = zip(draws, offsets, strict=True)
        scales = np.array([scale_bits(f, int(o), signed) for f, o in pairs], np.uint64)
        at = -2 if bool(rng.integers(2)) else 262144
        return replace(call, scales_at=at), scales
    one = scale_bits(float(rng.uniform(-2, 2)), int(rng.integers(-100, 100)), signed)
    if quant in ("deq", "b8", "req"):
        call = replace(call, scale=one, scale_given=True)
    return call, np.array([one], np.uint64)


@pytest.mark.parametrize(("source", "target", "quant"), MODES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_rows(sim: ModuleType, source: str, target: str, quant: str, relu: bool, seed: int) -> None:
    rng = np.random.default_rng([seed, relu])
    m, n, matrices = int(rng.integers(1, 50)), int(rng.integers(1, 90)), int(rng.integers(1, 3))
    stride = n + int(rng.integers(0, 20))
    call = FixpipeCall(
        source, target, n=n, m=m, src_stride=round_up(m, 16) + 16 * seed, dst_stride=stride,
        quant=QUANT[quant], matrices=matrices, src_matrix_stride=30, relu=relu,
        dst_matrix_stride=m * stride + seed, src=64 * seed, dst=7 * seed,
    )  # fmt: skip
    call, scales = with_quant(rng, call, quant)
    c = values_of(rng, source)
    out = rng.integers(0, 256, 60000).astype(np.uint8)
    want = expected(c, call, scales, out)
    got = run_fixpipe(sim, call, image(c, L0C_BYTES), out, scales)
    assert got.reports == []
    np.testing.assert_array_equal(out, want, err_msg=str(call))


@pytest.mark.parametrize("to_gm", [True, False])
@pytest.mark.parametrize(("source", "target", "quant"), MODES)
@pytest.mark.parametrize("seed", range(3))
def test_fractals(
    sim: ModuleType, to_gm: bool, source: str, target: str, quant: str, seed: int
) -> None:
    if not to_gm and quant == "none":
        pytest.skip("not to L1")
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 50)), 16 * int(rng.integers(1, 6))
    rows = 2 if target in ("fp32", "int32") else 1  # of 32 bytes
    call = FixpipeCall(
        source, target, nz=True, to_gm=to_gm, n=n, m=m, src_stride=round_up(m, 16),
        dst_stride=rows * m + seed, quant=QUANT[quant], relu=seed == 1, dst=32 * seed,
    )  # fmt: skip
    call, scales = with_quant(rng, call, quant)
    c = values_of(rng, source)
    out = rng.integers(0, 256, 60000).astype(np.uint8) if to_gm else np.full(60000, 255, np.uint8)
    want = expected(c, call, scales, out)
    got = run_fixpipe(sim, call, image(c, L0C_BYTES), out, scales)
    assert got.reports == []
    np.testing.assert_array_equal(out, want, err_msg=str(call))
    if not to_gm:
        assert got.known.sum() == m * n * STORED[target](0).itemsize


def test_channel_split(sim: ModuleType) -> None:
    rng = np.random.default_rng(4)
    call = FixpipeCall(nz=True, n=40, m=30, src_stride=32, dst_stride=37, split=True)
    c = values_of(rng, "fp32")
    out = np.zeros(20000, np.uint8)
    want = expected(c, call, np.zeros(1, np.uint64), out)
    assert run_fixpipe(sim, call, image(c, L0C_BYTES), out).reports == []
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize(
    ("target", "quant"), [("fp32", "none"), ("fp16", "fp16"), ("bf16", "bf16")]
)
@pytest.mark.parametrize("nz", [False, True])
def test_data_copy(sim: ModuleType, target: str, quant: str, nz: bool) -> None:
    rng = np.random.default_rng(7)
    call = FixpipeCall(
        target=target, nz=nz, n=48, m=21, src_stride=32, dst_stride=70, quant=QUANT[quant],
        matrices=1 if nz else 2, src_matrix_stride=30, dst_matrix_stride=1500, relu=nz, copy=True,
    )  # fmt: skip
    c = values_of(rng, "fp32")
    out = rng.integers(0, 256, 60000).astype(np.uint8)
    want = expected(c, call, np.zeros(1, np.uint64), out)
    assert run_fixpipe(sim, call, image(c, L0C_BYTES), out).reports == []
    np.testing.assert_array_equal(out, want)


def test_atomic_add(sim: ModuleType) -> None:
    rng = np.random.default_rng(5)
    call = FixpipeCall(
        target="fp16", n=33, m=20, src_stride=32, dst_stride=40, quant=1, atomic=True
    )
    c = rng.standard_normal(L0C_BYTES // 4).astype(np.float32)
    before = rng.standard_normal((20, 40)).astype(np.float16)
    bits = expected(c, call, np.zeros(1, np.uint64), np.zeros(1600, np.uint8))
    plain = bits.view(np.float16).reshape(20, 40)
    out = before.copy().view(np.uint8).reshape(-1)
    assert run_fixpipe(sim, call, image(c, L0C_BYTES), out).reports == []
    np.testing.assert_array_equal(out.view(np.float16).reshape(20, 40), before + plain)


BASE = FixpipeCall(n=16, m=16)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (replace(BASE, n=4096, dst_stride=4096), "nSize 4096, allowed 0 to 4095"),
        (replace(BASE, m=8193), "mSize 8193, allowed 0 to 8192"),
        (replace(BASE, m=65537), "mSize 65537 does not fit its field of 16 bits"),
        (replace(BASE, src_stride=65536), "srcStride 65536 does not fit"),
        (replace(BASE, dst_stride=2**32), "dstStride 4294967296 does not fit"),
        (replace(BASE, src_matrix_stride=513), "srcNdStride 513, allowed 0 to 512"),
        (replace(BASE, dst_matrix_stride=70000), "dstNdStride 70000 does not fit"),
        (replace(BASE, unit_flag=1), "unitFlag 1, allowed 0, 2, 3"),
        (replace(BASE, src=32), "src: L0C address 32 is not a multiple of 64"),
        (replace(BASE, nz=True, n=24), "nSize 24 is not a multiple of 16"),
        (replace(BASE, nz=True, n=20, split=True), "nSize 20 is not a multiple of 8"),
        (replace(BASE, split=True), "isChannelSplit needs"),
        (replace(BASE, dst_stride=15), "dstStride 15 makes parts of 16 overlap"),
        (replace(BASE, nz=True, n=32, dst_stride=31), "dstStride 31 makes parts of 32 overlap"),
        (replace(BASE, n=32, src_stride=8, dst_stride=32), "srcStride 8 is less than mSize 16"),
        (replace(BASE, target="fp16"), "quantPre does not turn float into half"),
        (replace(BASE, quant=1), "quantPre does not turn float into float"),
        (replace(BASE, source="int32", target="fp16", quant=11), "deqScalar has no value"),
        (replace(BASE, source="int32", target="fp16", quant=10), "no SetFixPipeConfig"),
        (replace(BASE, nz=True, to_gm=False), "to L1, only CFG_NZ with a target of 8 or 16 bits"),
        (replace(BASE, to_gm=False, target="fp16", quant=1), "to L1, only CFG_NZ"),
        (replace(BASE, nz=True, to_gm=False, target="fp16", quant=1, dst=16), "dst: L1 address 16"),
        (replace(BASE, m=17), "stores byte 1024 of L0C, which nothing has written"),
        (replace(BASE, m=16, n=17, dst_stride=17), "stores byte 1024 of L0C"),
        (replace(BASE, src=131008), "reads outside of the 131072 bytes of L0C"),
        (replace(BASE, dst=4096 - 512), "writes outside of a buffer of 4096 bytes"),
        (replace(BASE, copy=True, flags=False), "no SetFixpipeNz2ndFlag before nz2ndEn"),
        (replace(BASE, copy=True, n=8), "nSize 8 is not a multiple of 16"),
        (replace(BASE, unit_flag=2), "to be set by a Mmad with unitFlag 3"),
    ],
)
def test_reports(sim: ModuleType, call: FixpipeCall, text: str) -> None:
    c = image(np.zeros(256, np.float32), L0C_BYTES)
    got = run_fixpipe(sim, call, c, np.zeros(4096, np.uint8))
    assert any(text in report for report in got.reports), got.reports


def test_unwritten_values_move_to_l1(sim: ModuleType) -> None:
    rng = np.random.default_rng(6)
    data, known = image(rng.standard_normal(L0C_BYTES // 4).astype(np.float32), L0C_BYTES)
    holes = rng.integers(0, L0C_BYTES // 4, 9000)
    known.reshape(-1, 4)[holes] = 0
    call = FixpipeCall(
        target="fp16", nz=True, to_gm=False, n=48, m=40, src_stride=48, dst_stride=40, quant=1
    )
    got = run_fixpipe(sim, call, (data, known), np.zeros(8192, np.uint8))
    assert got.reports == []
    marks = known.reshape(-1, 4).min(axis=1)[: 3 * 48 * 16].reshape(3, 48, 16)[:, :40]
    np.testing.assert_array_equal(got.known[: 3 * 40 * 32].reshape(3, 40, 16, 2)[..., 0], marks)


def test_nothing_happens_without_rows(sim: ModuleType) -> None:
    for call in (replace(BASE, m=0), replace(BASE, n=0), replace(BASE, matrices=0)):
        out = np.full(4096, 9, np.uint8)
        got = run_fixpipe(sim, call, image(np.zeros(256, np.float32), L0C_BYTES), out)
        assert got.reports == [] and (out == 9).all()


def test_shifting_quantisation_is_not_modelled(sim: ModuleType) -> None:
    call = replace(BASE, source="int32", target="int8", quant=9, scale_given=True, scale=1 << 36)
    with pytest.raises(sim.SimulatorBug, match="bit 36"):
        run_fixpipe(sim, call, image(np.zeros(256, np.int32), L0C_BYTES), np.zeros(4096, np.uint8))


def test_a_small_product_needs_a_barrier(sim: ModuleType) -> None:
    a, b = image(np.zeros(1024, np.float16), 65536), image(np.zeros(16384, np.float16), 65536)
    for n, barrier, reported in ((144, False, True), (144, True, False), (160, False, False)):
        calls = [MmadCall(16, n, 16, barrier=barrier), MmadCall(16, n, 16, init=False)]
        got = run_mmad(sim, 0, calls, a, b, hazards=True)
        assert any("RAW" in report for report in got.reports) == reported, got.reports
