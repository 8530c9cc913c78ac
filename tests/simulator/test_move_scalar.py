"""The cache of the scalar unit: loads and stores of GM that DMA does not see, and the reverse."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

CLEAN_BEFORE_READ, CLEAN_TOO_EARLY, CLEAN_ALL, CLEAN_AFTER_STORE, NEIGHBOUR, PAST = (
    1 << n for n in range(6)
)


def aligned(count: int) -> np.ndarray:
    """int32 numbers that begin at a line of 64 bytes."""
    raw = np.zeros(count + 16, np.int32)
    start = -raw.ctypes.data % 64 // 4
    return raw[start : start + count]


def run(sim: ModuleType, kernel: str, flags: int) -> tuple[np.ndarray, list[str]]:
    block, out = aligned(64), aligned(64)
    return out, sim.run(kernel, 2, [block, out, flags]).reports


@pytest.mark.parametrize("flags", [CLEAN_BEFORE_READ, CLEAN_ALL, NEIGHBOUR])
def test_clean(sim: ModuleType, flags: int) -> None:
    out, reports = run(sim, "scalar_reads_dma", flags)
    assert reports == []
    assert out[0] == (0 if flags == NEIGHBOUR else 103)


@pytest.mark.parametrize("flags", [0, CLEAN_TOO_EARLY, PAST])
def test_stale(sim: ModuleType, flags: int) -> None:
    _, reports = run(sim, "scalar_reads_dma", flags)
    assert len(reports) == 1, reports
    assert reports[0].startswith("state (stale) in scalar_reads_dma")
    assert "AIV 1.0 S GetValue" in reports[0]
    assert "after AIV 0.0 MTE3 DataCopy" in reports[0]
    assert "GM argument 0 bytes [12, 16)" in reports[0]


@pytest.mark.parametrize("flags", [CLEAN_AFTER_STORE, NEIGHBOUR])
def test_written_back(sim: ModuleType, flags: int) -> None:
    out, reports = run(sim, "dma_reads_scalar", flags)
    assert reports == []
    assert out[3] == (0 if flags == NEIGHBOUR else 77)


def test_not_written_back(sim: ModuleType) -> None:
    _, reports = run(sim, "dma_reads_scalar", 0)
    assert len(reports) == 1, reports
    assert reports[0].startswith("state (not written back) in dma_reads_scalar")
    assert "AIV 1.0 MTE2 DataCopy" in reports[0]
    assert "after AIV 0.0 S SetValue" in reports[0]
