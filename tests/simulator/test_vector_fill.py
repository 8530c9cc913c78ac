"""Duplicate, Brcb, Copy, CreateVecIndex."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .vector_case import (
    BF16,
    BITS,
    COUNT,
    FP16,
    FP32,
    INT8,
    INT16,
    INT32,
    LEADING,
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
    scalar_bits,
)

PLAIN = [FP16, BF16, FP32, INT16, UINT16, INT32, UINT32]
EVERY_BIT = (1 << 64) - 1


@pytest.mark.parametrize("dtype", PLAIN)
def test_duplicate(sim: ModuleType, dtype: int) -> None:
    for seed in range(6):
        rng = np.random.default_rng([dtype, seed])
        bits = int.from_bytes(rng.bytes(SIZE[dtype]), "little")
        case = Case(OPS["Duplicate"], dtype, dtype, scalar=bits)
        random_lanes(rng, case)
        image = random_image(rng, dtype, 49152)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        case.dst_type = case.src_type = {2: UINT16, 4: UINT32}[SIZE[dtype]]
        value = np.array([bits]).astype(NUMPY[case.dst_type])[0]
        wanted = expected(case, image, lambda _: value, 0)  # noqa: B023
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("dtype", PLAIN)
def test_brcb(sim: ModuleType, dtype: int) -> None:
    kind = NUMPY[dtype]
    per_block = 32 // SIZE[dtype]
    steps = [(0, 1, 8), (1, 1, 8), (5, 1, 8), (255, 1, 2), (3, 2, 16), (4, 0, 9)]
    for repeats, block, step in steps:
        rng = np.random.default_rng([dtype, repeats])
        image = random_image(rng, dtype, 65536 + 16384, edges=False)
        case = Case(OPS["Brcb"], dtype, form=LEADING, repeats=repeats, a=65536)
        case.dst_block, case.dst_repeat = block, step
        result, reports = run(sim, case, image)
        assert reports == []
        wanted = image.view(kind).copy()
        for r in range(repeats):
            for b in range(8):
                at = (r * step + b * (block or 1)) * per_block
                wanted[at : at + per_block] = image[65536:].view(kind)[r * 8 + b]
        np.testing.assert_array_equal(result, wanted.view(np.uint8))


def test_brcb_limits(sim: ModuleType) -> None:
    image = np.zeros(49152, np.uint8)
    _, reports = run(sim, Case(OPS["Brcb"], FP32, form=LEADING, repeats=256), image)
    assert "repeat 256, allowed 0 to 255" in reports[0]
    _, reports = run(sim, Case(OPS["Brcb"], FP32, form=LEADING, repeats=1, a=8), image)
    assert "src: UB address 8 is not a multiple of 32" in reports[0]
    _, reports = run(sim, Case(OPS["Brcb"], FP32, form=LEADING, repeats=1, dst=16384), image)
    assert "src and dst overlap" in reports[0]
    _, reports = run(sim, Case(OPS["Brcb"], INT8, form=LEADING, repeats=1), image)
    assert "Brcb of int8" in reports[0]


@pytest.mark.parametrize("dtype", PLAIN)
def test_copy(sim: ModuleType, dtype: int) -> None:
    bits = {2: UINT16, 4: UINT32}[SIZE[dtype]]
    for seed in range(8):
        rng = np.random.default_rng([dtype, seed])
        case = Case(OPS["Copy"], dtype, dtype)
        while case.form == COUNT or case.counter:
            case = Case(OPS["Copy"], dtype, dtype)
            random_lanes(rng, case)
        image = rng.integers(0, 256, 49152).astype(np.uint8)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        case.dst_type = case.src_type = bits
        np.testing.assert_array_equal(result, expected(case, image, lambda _, a: a, 1))


def test_copy_in_counter_mode_counts_in_each_repeat(sim: ModuleType) -> None:
    image = np.random.default_rng(1).integers(0, 256, 49152).astype(np.uint8)
    case = Case(OPS["Copy"], FP32, form=BITS, repeats=3, mask_low=20, counter=1)
    case.dst_repeat, case.a_repeat = 4, 10
    result, reports = run(sim, case, image)
    assert reports == []
    wanted = image.copy()
    for r in range(3):
        wanted[r * 128 : r * 128 + 80] = image[16384 + r * 320 : 16384 + r * 320 + 80]
    np.testing.assert_array_equal(result, wanted)


def test_copy_moves_what_is_unwritten(sim: ModuleType) -> None:
    """Half of the source was never loaded; only what is written is stored, so no report."""
    image = np.random.default_rng(1).integers(0, 256, 16384 + 128).astype(np.uint8)
    case = Case(OPS["Copy"], FP32, form=LEADING, count=64, repeats=1)
    result, reports = run(sim, case, image, stored=128)
    assert reports == []
    np.testing.assert_array_equal(result[:128], image[16384:])
    _, reports = run(sim, case, image, stored=160)
    assert "stores byte 128 of UB, which nothing has written" in reports[0]


def test_copy_limits(sim: ModuleType) -> None:
    image = np.zeros(49152, np.uint8)
    case = Case(OPS["Copy"], FP32, form=LEADING, count=64, repeats=1, a_repeat=4096)
    _, reports = run(sim, case, image)
    assert "src repeat stride 4096, allowed 0 to 4095" in reports[0]
    case = Case(OPS["Copy"], FP32, form=LEADING, count=64, repeats=1, dst_block=0)
    _, reports = run(sim, case, image)
    assert "dst block stride 0 is undefined" in reports[0]


@pytest.mark.parametrize("dtype", [FP16, FP32, INT16, INT32])
def test_index(sim: ModuleType, dtype: int) -> None:
    kind: Any = NUMPY[dtype]
    for seed in range(8):
        rng = np.random.default_rng([dtype, seed])
        case = Case(OPS["CreateVecIndex"], dtype, dtype)
        while case.form > BITS or case.counter:
            case = Case(OPS["CreateVecIndex"], dtype, dtype)
            random_lanes(rng, case)
        if case.form == COUNT:
            case.count = min(case.count, 1000)
        case.scalar = scalar_bits(5, dtype)
        image = random_image(rng, dtype, 49152)
        result, reports = run(sim, case, image)
        assert reports == [], (seed, case)
        per_repeat = 256 // SIZE[dtype]
        wanted = image.copy()
        for repeat, lane in case.active():  # small enough to be exact in half
            at = case.address("dst", SIZE[dtype], repeat, lane)
            value = np.array([5 + repeat * per_repeat + lane]).astype(kind)
            wanted[at : at + SIZE[dtype]] = value.view(np.uint8)
        np.testing.assert_array_equal(result, wanted)


def test_index_in_half_adds_step_by_step(sim: ModuleType) -> None:
    case = Case(OPS["CreateVecIndex"], FP16, scalar=scalar_bits(2040.5, FP16), count=300)
    result, reports = run(sim, case, np.zeros(49152, np.uint8))
    assert reports == []
    values = [np.float16(2040.5) + np.float16(n) for n in range(16)]
    for n in range(16, 300):
        back, length = (16, 16) if n < 128 else (128, 128)
        values.append(values[n - back] + np.float16(length))
    np.testing.assert_array_equal(result[:600].view(np.float16), np.array(values))
