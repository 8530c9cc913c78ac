"""The timing model against published measurements; simulator/CALIBRATION.md is its table."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from .calibration import CASES, Case, document
from .conftest import ROOT

PAGE = ROOT / "simulator" / "CALIBRATION.md"
TESTED = [case for case in CASES if case.target is not None and not case.slow]


@pytest.mark.parametrize("case", TESTED, ids=lambda c: c.name)
def test_within_target(sim: ModuleType, case: Case) -> None:
    predicted = case.predict(sim)
    assert case.target is not None
    for published, error in zip(case.published, case.errors(predicted), strict=True):
        assert abs(error) <= case.target, (
            f"predicted {predicted:.1f} {case.unit}, published {published}"
        )


def numbers_of_slow_cases() -> dict[str, float]:
    """The longest runs are not repeated here: their rows count as current if the others are."""
    text = PAGE.read_text()
    found = {}
    for case in (c for c in CASES if c.slow):
        row = re.search(rf"^\| {re.escape(case.name)} \| [^|]+ \| ([\d.]+) \|", text, re.MULTILINE)
        assert row, f"no row for {case.name}"
        found[case.group + case.name] = float(row[1])
    return found


def test_page_is_current(sim: ModuleType) -> None:
    assert document(sim, numbers_of_slow_cases()) == PAGE.read_text()


def test_slow_cases_within_target() -> None:
    numbers = numbers_of_slow_cases()
    for case in (c for c in CASES if c.slow):
        assert case.target is not None
        assert all(abs(e) <= case.target for e in case.errors(numbers[case.group + case.name]))
