"""Timing-only runs for the tests and for the calibration page."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def predict(
    sim: ModuleType,
    kernel: str,
    blocks: int,
    arguments: list[Any],
    profile: str = "default",
    trace: bool = False,
) -> Any:
    """The Timing of a run without arithmetic and without checks."""
    options = sim.Options()
    options.execute = options.checks = options.hazards = False
    options.timing = True
    options.profile = profile
    options.trace = trace
    result = sim.run(kernel, blocks, arguments, [], options)
    assert not [r for r in result.reports if "left over" not in r], result.reports
    return result.timing
