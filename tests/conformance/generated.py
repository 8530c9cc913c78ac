"""Every feature crossed with every other one: generated cases under the error model."""

from __future__ import annotations

from pathlib import Path

import pytest

from fa_testing.backends import Wheel
from fa_testing.case import Case, parse_case, read_cases
from fa_testing.generate import generate_cases
from fa_testing.run import Report, run_case

BATCH = 25  # cases per pytest item: an item of one case would spend its time in pytest
SMOKE_BATCHES = 4
CASES = Path(__file__).resolve().parents[1] / "cases"


def file_cases(api: int) -> list[Case]:
    """The cases of tests/cases for one wheel."""
    found = [case for file in sorted(CASES.glob("*.txt")) for case in read_cases(str(file))]
    return [case for case in found if case.api == api]


def parametrize_cases(metafunc: pytest.Metafunc, api: int) -> None:
    """Gives a `cases` argument its batches: generated ones, or the line of --repro."""
    if "cases" not in metafunc.fixturenames:
        return
    config = metafunc.config
    if config.getoption("--repro"):
        metafunc.parametrize("cases", [[parse_case(config.getoption("--repro"))]], ids=["repro"])
        return
    seed, count = config.getoption("--seed"), config.getoption("--cases")
    cases = generate_cases(api, count, seed)
    batches = [cases[i : i + BATCH] for i in range(0, len(cases), BATCH)]
    parameters = [
        pytest.param(
            batch,
            id=f"seed{seed}-{i * BATCH}",
            marks=pytest.mark.smoke if i < SMOKE_BATCHES else (),
        )
        for i, batch in enumerate(batches)
    ]
    parameters.append(pytest.param(file_cases(api), id="files", marks=pytest.mark.smoke))
    metafunc.parametrize("cases", parameters)


def summarize(reports: list[Report]) -> str:
    bad = [report for report in reports if report.problems]
    return f"{len(bad)} of {len(reports)} cases failed\n" + "\n".join(str(r) for r in bad[:5])


def test_cases(cases: list[Case], wheel: Wheel) -> None:
    reports = [run_case(case, wheel) for case in cases]
    assert not any(report.problems for report in reports), summarize(reports)
    if len(reports) > 1:  # one alone was asked for by its line
        check_power(reports)


def test_a_case_without_weights_can_be_run_again(wheel: Wheel) -> None:
    line = "varlen b=1 sq=0 skv=4 q_lens=0 kv_lens=4"
    test_cases([parse_case(f"fwd v{wheel.api}.{line}")], wheel)


def check_power(reports: list[Report]) -> None:
    """The cases test something: most weigh keys, and the results of that are hardly ever zero."""
    dull = [str(r.case) for r in reports if r.nonzero < 0.5 * r.weighted]
    assert not dull, "\n".join(["mostly zero results:", *dull])
    weighted = sum(report.weighted > 0 for report in reports)
    assert weighted >= 0.6 * len(reports), f"{weighted} of {len(reports)} cases weigh a key"
