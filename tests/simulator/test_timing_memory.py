"""Shared rates of L2 and HBM, what L2 holds, and what a move's shape costs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from .timing_runs import predict

HBM = 1.6e12 * 0.9 / 1.8e9  # bytes per cycle, profile default
L2 = 162 * 24
READ_LATENCY = 350
MIB = 1 << 20


def copy(
    sim: ModuleType, blocks: int, rows: int, row_bytes: int, tile: tuple[int, int], **more: Any
) -> Any:
    """GM to UB: a matrix split over AIVs by rows, moved in tiles (rows, bytes)."""
    arguments = [0, rows, row_bytes, *tile, more.get("parts", 1), more.get("times", 1)]
    return predict(sim, "timing_copy", blocks, arguments, more.get("profile", "default"))


def test_one_core_reads_at_its_port(sim: ModuleType) -> None:
    timing = copy(sim, 1, 64, 16384, (1, 16384))
    assert timing.cycles == pytest.approx(64 * 16384 / 59 + READ_LATENCY, rel=1e-6)


@pytest.mark.parametrize("blocks", [16, 24, 48])
def test_cores_share_hbm(sim: ModuleType, blocks: int) -> None:
    """Nothing is in L2 at the start, so all of it comes from HBM."""
    timing = copy(sim, blocks, 48 * 32, 16384, (1, 16384))
    total = 48 * 32 * 16384
    expected = max(total / HBM, total / blocks / 59)
    assert timing.cycles == pytest.approx(expected + READ_LATENCY, rel=1e-3)
    assert timing.bytes["HBM read"] == total
    if blocks > 16:
        assert timing.bound_by == "HBM"


def test_what_was_read_once_is_in_l2(sim: ModuleType) -> None:
    once = copy(sim, 48, 48 * 64, 16384, (1, 16384))
    twice = copy(sim, 48, 48 * 64, 16384, (1, 16384), times=2)
    assert twice.bytes["HBM read"] == once.bytes["HBM read"]
    total = 48 * 64 * 16384
    assert twice.bytes["L2 hits"] == total
    assert twice.cycles - once.cycles == pytest.approx(total / 48 / 59, rel=1e-3)


def test_l2_forgets_the_oldest(sim: ModuleType) -> None:
    """A matrix a little larger than L2, read in a circle, never hits; a smaller one always does."""
    small = copy(sim, 1, 160, MIB, (1, MIB), times=2)
    large = copy(sim, 1, 200, MIB, (1, MIB), times=2)
    assert small.bytes["HBM read"] == 160 * MIB
    assert large.bytes["HBM read"] == 2 * 200 * MIB


def test_a_smaller_l2_holds_less(sim: ModuleType) -> None:
    timing = copy(sim, 1, 160, MIB, (1, MIB), times=2, profile="default@910B4")
    assert timing.bytes["HBM read"] == 2 * 160 * MIB


@pytest.mark.parametrize("parts", [1, 4])
def test_tiles_of_a_line_are_read_from_hbm_once(sim: ModuleType, parts: int) -> None:
    """Tiles of 128 bytes: each sector comes from HBM with its own tile, none twice."""
    timing = copy(sim, 48, 48 * 16, 4096, (16, 128), parts=parts)
    assert timing.bytes["HBM read"] == 48 * 16 * 4096


def test_unaligned_rows_ask_for_whole_lines(sim: ModuleType) -> None:
    """Rows of 2046 bytes touch five lines (rarely four), not four."""
    rows = 480
    timing = copy(sim, 1, rows, 2046, (1, 2046))
    lines = sum((r * 2046 + 2045) // 512 - r * 2046 // 512 + 1 for r in range(rows))
    aligned = sum(1 for r in range(rows) if r * 2046 % 512 == 0)
    print(lines, aligned)
    assert timing.bytes["L2"] == lines * 512
    assert timing.bytes["GM to UB"] == rows * 2046


def test_short_moves_have_a_least_time(sim: ModuleType) -> None:
    timing = copy(sim, 1, 1000, 128, (1, 128))
    assert timing.cycles == pytest.approx(1000 * 20 + READ_LATENCY, rel=1e-6)


def test_short_rows_have_a_least_time(sim: ModuleType) -> None:
    timing = copy(sim, 1, 640, 4096, (64, 128))
    tiles = 640 // 64 * 4096 // 128
    assert timing.cycles == pytest.approx(tiles * 64 * 5 + READ_LATENCY, rel=1e-6)


def test_pessimistic_profile_is_slower(sim: ModuleType) -> None:
    usual = copy(sim, 48, 48 * 32, 16384, (1, 16384))
    slow = copy(sim, 48, 48 * 32, 16384, (1, 16384), profile="pessimistic-gm")
    assert slow.cycles > 1.1 * usual.cycles
