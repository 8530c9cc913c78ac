"""A run of a kernel that has to leave no report."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any


def run_clean(
    sim: ModuleType, run_kernel: Callable[..., Any], problem: Any, auto_barriers: bool
) -> None:
    """Fails when a check of the simulator has something to say."""
    options = sim.Options()
    options.auto_barriers = auto_barriers
    result = run_kernel(sim, problem, options)
    assert result.reports == [], "\n".join(result.reports)
