"""Cases of everything that the NPU back end supports, and the machine for each."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import pytest

from fa_testing.case import Case
from fa_testing.generate import generate_cases
from npu_host.machine import Mode
from npu_host.supports import RULES, SIZES

SEED = 20261
BATCH = 40
OPTION = "--npu-cases"
USUAL_CASES = 800  # of both wheels
CORES = (24, 1, 2, 3, 5, 8, 13, 20)
MODES = (
    Mode("explicit", "leave", "0"),
    Mode("auto", "check", "0"),
    Mode("explicit", "check", "1"),
    Mode("auto", "leave", "1"),
)


class Run(NamedTuple):
    """A case on a machine."""

    case: Case
    cores: int
    mode: Mode


@functools.cache
def all_runs(api: int, count: int) -> list[Run]:
    """At least `count` cases that cover all pairs of supported features, the same every time."""
    cases = generate_cases(api, count, SEED, RULES, SIZES)
    machines = itertools.cycle(itertools.product(CORES, MODES))
    return [Run(case, *machine) for case, machine in zip(cases, machines, strict=False)]


def parametrize_cases(metafunc: pytest.Metafunc) -> None:
    """Gives a `runs` argument its batches of both wheels."""
    if "runs" not in metafunc.fixturenames:
        return
    parameters = []
    count = metafunc.config.getoption(OPTION, USUAL_CASES)
    for api in (2, 3):
        runs = all_runs(api, count // 2)
        parameters += [
            pytest.param(runs[i : i + BATCH], id=f"v{api}-{i}") for i in range(0, len(runs), BATCH)
        ]
    metafunc.parametrize("runs", parameters)
