"""The generated cases hold what they are meant to hold."""

from __future__ import annotations

import random

import pytest

from fa_testing.grammar import generate_choices, pairs_of, possible_pairs
from npu_host.generated import CORES, MODES, OPTION, SEED, USUAL_CASES, Run, all_runs
from npu_host.supports import RULES

STACK = 512  # keys of a unit of work in the kernels


@pytest.fixture
def runs_of(api: int, pytestconfig: pytest.Config) -> list[Run]:
    return all_runs(api, pytestconfig.getoption(OPTION, USUAL_CASES) // 2)


def test_every_pair_of_supported_features(api: int, runs_of: list[Run]) -> None:
    choices = generate_choices(api, len(runs_of), SEED, RULES)
    assert len(choices) == len(runs_of)
    covered = {pair for choice in choices for pair in pairs_of(choice)}
    assert not possible_pairs(api, random.Random(0), RULES) - covered


def test_machines_and_sizes(runs_of: list[Run]) -> None:
    machines = {(run.cores, run.mode) for run in runs_of}
    assert machines == {(cores, mode) for cores in CORES for mode in MODES}
    assert sum(run.case.skv > STACK for run in runs_of) >= len(runs_of) / 20
    free = [run.case for run in runs_of if not run.case.int8]  # int8 caches end at 256
    for bucket in (range(1, 129), range(129, 257), range(257, 513)):
        assert sum(max(case.d, case.value_dim) in bucket for case in free) >= len(free) / 20


@pytest.mark.parametrize("half", ["fp16", "bf16"])
def test_dtypes(runs_of: list[Run], half: str) -> None:
    assert sum(run.case.dt == half for run in runs_of) >= len(runs_of) / 4
