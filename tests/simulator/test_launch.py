"""Running a kernel: results, arguments, reports."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


def test_double_buffered_add(sim: ModuleType) -> None:
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal(16 * 2048, dtype=np.float32) for _ in range(2))
    z = np.zeros_like(x)
    result = sim.run("double_buffered_add", 4, [x, y, z, 16], [2])
    assert result.reports == []
    np.testing.assert_array_equal(z, x + y)


def test_outside_of_a_buffer(sim: ModuleType) -> None:
    x = np.zeros(2048, np.float32)
    z = np.zeros_like(x)
    result = sim.run("double_buffered_add", 1, [x, x, z, 2], [2])
    assert any("gm bounds" in report for report in result.reports)


def test_wrong_arguments(sim: ModuleType) -> None:
    x = np.zeros(2048, np.float32)
    with pytest.raises(ValueError, match="takes 4 arguments, got 2"):
        sim.run("double_buffered_add", 1, [x, x])
    with pytest.raises(ValueError, match="no kernel nothing"):
        sim.run("nothing", 1, [])
    with pytest.raises(ValueError, match="block_dim 100, allowed 1 to 48"):
        sim.run("double_buffered_add", 100, [x, x, x, 1])
