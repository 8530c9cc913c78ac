"""Dropout and S_dmask in the forward kernels, by a generator of the tests' own."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from npu import generated
from npu.forward_case import Case, build, run
from npu.halves import to_float64
from npu.oracle import kept_keys
from npu.test_forward import check

CASES = 60
PROBABILITIES = (0.1, 0.5, 0.9)


def draw(seed: int) -> Case:
    case = generated.draw(1000 + seed)
    return replace(case, dropout=PROBABILITIES[seed % 3], probs=seed % 2 == 0)


def test_generated(sim: ModuleType, seed: int) -> None:
    check(sim, draw(seed), auto_barriers=False)
    check(sim, draw(seed), auto_barriers=True)


EDGES = {
    "one": Case(q_lengths=(1,), kv_lengths=(1,), head_dim=1, value_dim=1),
    "no keys": Case(q_lengths=(5,), kv_lengths=(0,)),
    "no queries": Case(q_lengths=(0,), kv_lengths=(5,)),
    "empty tasks between": Case(
        q_lengths=(40, 3, 70, 0, 9), kv_lengths=(90, 0, 600, 4, 0), window=(-1, 0), cores=1
    ),
    "packed": Case(
        q_lengths=(40, 3, 70, 0, 9),
        kv_lengths=(90, 0, 1600, 4, 0),
        q_layout="packed",
        kv_layout="packed",
        seqused=True,
        cores=2,
    ),
    "packed heads of 128": Case(
        q_lengths=(2,), kv_lengths=(600,), q_heads=128, packed_heads=128, window=(-1, 0)
    ),
    "window": Case(q_lengths=(300,), kv_lengths=(2500,), window=(40, 3), task_rows=256),
    "maxima that grow": Case(q_lengths=(70,), kv_lengths=(2000,), magnitude=3.0, softcap=30.0),
    "all dims": Case(q_lengths=(70,), kv_lengths=(700,), head_dim=256, value_dim=256),
    "wide tasks": Case(
        q_lengths=(256,), kv_lengths=(700,), head_dim=192, value_dim=128, task_rows=256
    ),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("auto_barriers", [False, True])
def test_edges(sim: ModuleType, name: str, dtype: str, auto_barriers: bool) -> None:
    check(sim, replace(EDGES[name], dtype=dtype, dropout=0.3, probs=True), auto_barriers)


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("p", [0.0, *PROBABILITIES])
def test_every_bit(sim: ModuleType, p: float, head_dim: int, dtype: str) -> None:
    """With scores of 0, S_dmask is 1 and -1."""
    case = Case(
        dtype=dtype,
        q_lengths=(3, 130),
        kv_lengths=(20, 1500),
        q_heads=2,
        head_dim=head_dim,
        value_dim=head_dim,
        task_rows=256,
        magnitude=0.0,
        dropout=p,
        probs=True,
    )
    problem = build(case)
    assert run(sim, problem, sim.Options()).reports == []
    assert problem.probs is not None
    for batch, head in itertools.product(range(2), repeat=2):
        n, m = case.q_lengths[batch], case.kv_lengths[batch]
        got = to_float64(problem.probs[batch, head, :n, :m], dtype)
        kept = kept_keys(case, batch, head, n, m)
        assert np.array_equal(got, np.where(kept, 1.0, -1.0))


def test_output_does_not_depend_on_returned_probabilities(sim: ModuleType) -> None:
    base = Case(
        q_lengths=(200, 90), kv_lengths=(1300, 700), q_heads=4, kv_heads=2, dropout=0.2, cores=3
    )
    results = []
    for probs in (False, True):
        problem = build(replace(base, probs=probs))
        assert run(sim, problem, sim.Options()).reports == []
        results.append([np.array(a) for a in (*problem.out, *problem.lse)])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
