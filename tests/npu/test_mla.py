"""The mla kernels on the simulator: fp64 oracle, and no report from any check."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from npu import generated, generated_mla
from npu.forward_case import Case, build, run
from npu.test_forward import check

LATENT = Case(head_dim=64, value_dim=512, qv=True)


def test_generated(sim: ModuleType, seed: int) -> None:
    case = generated_mla.draw(seed)
    check(sim, case, auto_barriers=False)
    check(sim, case, auto_barriers=True)


def test_generated_cases_have_all_pairs_of_features() -> None:
    named = [
        generated_mla.features(generated_mla.draw(seed)) for seed in range(generated_mla.CASES)
    ]
    assert generated.missing_pairs(named) - generated_mla.IMPOSSIBLE == set()


EDGES = {
    "one": replace(LATENT, q_lengths=(1,), kv_lengths=(1,)),
    "no keys": replace(LATENT, q_lengths=(5,), kv_lengths=(0,)),
    "no queries": replace(LATENT, q_lengths=(0,), kv_lengths=(5,)),
    "one stack": replace(LATENT, q_lengths=(1,), kv_lengths=(512,), q_heads=128, packed_heads=128),
    "one more key": replace(
        LATENT, q_lengths=(1,), kv_lengths=(513,), q_heads=128, packed_heads=128
    ),
    "half tiles": replace(LATENT, q_lengths=(130,), kv_lengths=(64 * 9,), window=(-1, 0)),
    "window of one": replace(LATENT, q_lengths=(200,), kv_lengths=(1100,), window=(0, 0)),
    "tasks of one unit": replace(LATENT, q_lengths=(40,) * 9, kv_lengths=(64,) * 9, cores=2),
    "empty tasks between": replace(
        LATENT, q_lengths=(40, 3, 70, 0, 9), kv_lengths=(90, 0, 600, 4, 0), window=(-1, 0)
    ),
    "three tasks on two cores": replace(
        LATENT, q_lengths=(1, 1, 1), kv_lengths=(1600, 700, 1100), joined=True, cores=2
    ),
    "large scores": replace(LATENT, q_lengths=(70,), kv_lengths=(700,), magnitude=30.0),
    "widest": Case(q_lengths=(70,), kv_lengths=(700,), head_dim=512, value_dim=512),
    "one block of columns": replace(
        LATENT, q_lengths=(20,), kv_lengths=(700,), head_dim=448, value_dim=128
    ),
    "three blocks of columns": replace(
        LATENT, q_lengths=(20,), kv_lengths=(700,), head_dim=16, value_dim=300
    ),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("auto_barriers", [False, True])
def test_edges(sim: ModuleType, name: str, dtype: str, auto_barriers: bool) -> None:
    check(sim, replace(EDGES[name], dtype=dtype), auto_barriers)


@pytest.mark.parametrize("page_size", [1, 16, 300])
def test_pages_that_do_not_exist_are_not_read(sim: ModuleType, page_size: int) -> None:
    case = replace(
        LATENT, q_lengths=(9, 130), kv_lengths=(300, 700), kv_layout="paged", page_size=page_size
    )
    check(sim, replace(case, bad_pages=True), auto_barriers=False)


def test_results_do_not_depend_on_the_cores(sim: ModuleType) -> None:
    base = replace(
        LATENT,
        q_lengths=(3, 2),
        kv_lengths=(1300, 700),
        q_heads=64,
        packed_heads=32,
        window=(-1, 0),
    )
    results = []
    for cores, rows in itertools.product((1, 5, 24), (32, 128)):
        problem = build(replace(base, cores=cores, task_rows=rows))
        assert run(sim, problem, sim.Options()).reports == []
        results.append([a.copy() for a in problem.outputs])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
