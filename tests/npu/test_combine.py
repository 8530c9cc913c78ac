"""The combine kernel: fp64 oracle, and no report from any check."""

from __future__ import annotations

import itertools
from types import ModuleType

import pytest

from npu.checked import run_clean
from npu.combine_case import Case, assert_right, build, run


def check(sim: ModuleType, case: Case, auto_barriers: bool) -> None:
    print(case)
    problem = build(case)
    run_clean(sim, run, problem, auto_barriers)
    assert_right(problem)


CASES = [
    Case(splits=splits, dtype=dtype, layout=layout, value_dim=dim, cores=cores, seed=seed)
    for seed, (splits, dtype, layout, dim, cores) in enumerate(
        itertools.product(
            (1, 3, 256), ("fp32", "fp16", "bf16"), ("bhs", "bsh", "gaps"), (1, 40, 256), (1, 24)
        )
    )
] + [
    Case(tokens=1, heads=1, batch=1, splits=2, cores=1),
    Case(tokens=130, used=(0, 99), value_dim=512),
    Case(tokens=130, used=(128, 1), layout="bsh", lse=False),
    Case(tokens=3, heads=64, layout="bsh", value_dim=128, splits=16),
    Case(tokens=1, heads=70, value_dim=512, splits=2, cores=24),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_combine(sim: ModuleType, case: Case) -> None:
    check(sim, case, auto_barriers=False)
    check(sim, case, auto_barriers=True)
