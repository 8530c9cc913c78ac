"""The forward kernels on the simulator: fp64 oracle, and no report from any check."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from npu import generated
from npu.checked import run_clean
from npu.forward_case import Case, build, run, run_combine
from npu.oracle import disagreements


def check(sim: ModuleType, case: Case, auto_barriers: bool) -> None:
    print(case)
    problem = build(case)
    run_clean(sim, run, problem, auto_barriers)
    if problem.combine is not None:
        run_clean(sim, run_combine, problem, auto_barriers)
    if not case.bad_pages:
        assert disagreements(problem) == []


def test_generated(sim: ModuleType, seed: int) -> None:
    case = generated.draw(seed)
    check(sim, case, auto_barriers=False)
    check(sim, case, auto_barriers=True)


def test_generated_cases_have_all_pairs_of_features() -> None:
    cases = [generated.features(generated.draw(seed)) for seed in range(generated.CASES)]
    impossible = {("group=False", "packed heads=True"), *generated.IMPOSSIBLE}
    assert generated.missing_pairs(cases) - impossible == set()


EDGES = {
    "one": Case(q_lengths=(1,), kv_lengths=(1,), head_dim=1, value_dim=1),
    "no keys": Case(q_lengths=(5,), kv_lengths=(0,)),
    "no queries": Case(q_lengths=(0,), kv_lengths=(5,)),
    "no batch": Case(q_lengths=(), kv_lengths=(), q_layout="packed", kv_layout="packed"),
    "tokens of nobody": Case(
        q_lengths=(5, 40),
        kv_lengths=(70, 9),
        q_layout="packed",
        kv_layout="packed",
        outside=True,
        splits=2,
    ),
    "more queries than keys": Case(q_lengths=(300,), kv_lengths=(77,), window=(-1, 0), cores=3),
    "window of one": Case(q_lengths=(200,), kv_lengths=(1000,), window=(0, 0), lse="-inf"),
    "stack boundary": Case(q_lengths=(128,), kv_lengths=(1024,), window=(511, 0)),
    "long stacks and short ones": Case(
        q_lengths=(300, 40),
        kv_lengths=(2300, 900),
        head_dim=128,
        value_dim=128,
        task_rows=256,
        window=(-1, 0),
    ),
    "window over long stacks": Case(
        q_lengths=(256,),
        kv_lengths=(2252,),  # 128 rows begin in the first stack, the others in the second
        head_dim=128,
        value_dim=128,
        task_rows=256,
        window=(1100, 0),
    ),
    "tasks of one unit": Case(q_lengths=(64,) * 9, kv_lengths=(64,) * 9, cores=2),
    "packed heads of 128": Case(
        q_lengths=(2,), kv_lengths=(600,), q_heads=128, packed_heads=128, window=(-1, 0)
    ),
    "empty tasks between": Case(
        q_lengths=(40, 3, 70, 0, 9), kv_lengths=(90, 0, 600, 4, 0), window=(-1, 0), cores=1
    ),
    "large scores": Case(q_lengths=(70,), kv_lengths=(700,), magnitude=100.0),
    "all dims": Case(q_lengths=(70,), kv_lengths=(700,), head_dim=256, value_dim=256),
    "two blocks of columns": Case(
        q_lengths=(130, 3), kv_lengths=(1100, 600), head_dim=200, value_dim=136, window=(-1, 0)
    ),
    "rows across lines": Case(
        q_lengths=(70,), kv_lengths=(300,), head_dim=192, value_dim=128, q_heads=4, kv_heads=4
    ),
    "every other row across lines": Case(
        q_lengths=(70,), kv_lengths=(301,), head_dim=96, value_dim=96, q_heads=4, kv_heads=4
    ),
    "one row in four across lines": Case(
        q_lengths=(70,), kv_lengths=(302,), head_dim=112, value_dim=112, q_heads=4, kv_heads=4
    ),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("auto_barriers", [False, True])
def test_edges(sim: ModuleType, name: str, dtype: str, auto_barriers: bool) -> None:
    case = EDGES[name]
    if dtype == "bf16" and case.magnitude > 10:
        case = replace(case, magnitude=30.0)
    check(sim, replace(case, dtype=dtype), auto_barriers)


@pytest.mark.parametrize("page_size", [1, 16, 300])
def test_pages_that_do_not_exist_are_not_read(sim: ModuleType, page_size: int) -> None:
    case = Case(q_lengths=(9, 130), kv_lengths=(300, 700), kv_layout="paged", page_size=page_size)
    check(sim, replace(case, bad_pages=True), auto_barriers=False)


@pytest.mark.parametrize("lengths", ["cu_seqlens", "seqused"])
def test_lengths_out_of_range_are_clamped(sim: ModuleType, lengths: str) -> None:
    packed = "packed" if lengths == "cu_seqlens" else "padded"
    case = Case(
        q_lengths=(9, 130), kv_lengths=(300, 700), q_layout=packed, kv_layout=packed, seqused=True
    )
    for wrong in (-(1 << 31), -5, 1 << 30, (1 << 31) - 1):
        problem = build(case)
        for array in problem.inputs:
            if array.dtype == np.int32 and (lengths == "seqused") == (array.size == 2):
                array[...] = wrong
        for kind in (problem.args.q, problem.args.k, problem.args.v):
            assert kind.address
        result = run(sim, problem, sim.Options())
        assert not [r for r in result.reports if not r.startswith("uninitialized")]


def test_results_do_not_depend_on_the_cores(sim: ModuleType) -> None:
    base = Case(q_lengths=(200, 90), kv_lengths=(600, 700), q_heads=4, kv_heads=2, window=(-1, 0))
    results = []
    for cores in (1, 5, 24):
        problem = build(replace(base, cores=cores))
        assert run(sim, problem, sim.Options()).reports == []
        results.append([a.copy() for a in problem.outputs])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
