"""Chunks, caches, sinks, ALiBi and splits in the forward kernels: fp64 oracle, no report."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from npu import generated, generated_options
from npu.forward_case import Case, build, run
from npu.test_forward import check

LATENT = Case(head_dim=64, value_dim=512, qv=True)


def test_generated(sim: ModuleType, seed: int) -> None:
    case = generated_options.draw(seed)
    check(sim, case, auto_barriers=False)
    check(sim, case, auto_barriers=True)


def test_generated_cases_have_all_pairs_of_features() -> None:
    cases = [
        generated_options.features(generated_options.draw(seed))
        for seed in range(generated_options.CASES)
    ]
    missing = generated.missing_pairs(cases)
    assert {pair for pair in missing if not generated_options.impossible(pair)} == set()


EDGES = {
    "chunk of one": Case(q_lengths=(200,), kv_lengths=(300,), chunk=1),
    "chunk of a stack": Case(q_lengths=(300,), kv_lengths=(1500,), chunk=1024, cores=2),
    "chunk and window": Case(q_lengths=(300,), kv_lengths=(900,), chunk=300, window=(40, 3)),
    "chunk, more queries than keys": Case(q_lengths=(300,), kv_lengths=(77,), chunk=50),
    "all of it padding": Case(q_lengths=(5, 9), kv_lengths=(0, 4), leftpad=(30, 0)),
    "padding inside a page": Case(
        q_lengths=(9, 1), kv_lengths=(600, 1), leftpad=(7, 15), kv_layout="paged", page_size=16
    ),
    "one page": Case(
        q_lengths=(9, 1), kv_lengths=(90, 1), kv_layout="paged", page_size=300, batch_idx=True
    ),
    "rows of another order": Case(
        q_lengths=(40, 3, 70), kv_lengths=(90, 0, 600), batch_idx=True, strides="bhsd", cores=5
    ),
    "all of it new": Case(q_lengths=(4, 4), kv_lengths=(4, 4), new_lengths=(4, 4)),
    "ragged new": Case(q_lengths=(4, 4), kv_lengths=(4, 300), new_lengths=(0, 300), cores=2),
    "sinks without keys": Case(q_lengths=(5, 7), kv_lengths=(0, 9), q_heads=4, sinks="fp32"),
    "sinks of packed heads": Case(
        q_lengths=(3,), kv_lengths=(700,), q_heads=48, packed_heads=48, sinks="fp16"
    ),
    "sinks and splits": Case(q_lengths=(70,), kv_lengths=(1500,), sinks="bf16", splits=3),
    "more splits than tiles": Case(q_lengths=(5,), kv_lengths=(300,), splits=16, cores=24),
    "splits without keys": Case(q_lengths=(5, 3), kv_lengths=(0, 1), splits=2, lse="-inf"),
    "splits of packed sequences": Case(
        q_lengths=(40, 3, 70, 0, 9),
        kv_lengths=(90, 0, 1600, 4, 0),
        q_layout="packed",
        kv_layout="packed",
        seqused=True,
        splits=4,
        cores=7,
    ),
    "alibi": Case(q_lengths=(300,), kv_lengths=(1300,), q_heads=3, alibi="batch", task_rows=256),
    "alibi by column": Case(
        q_lengths=(300, 20), kv_lengths=(900, 700), window=(-1, 0), alibi="columns"
    ),
    "alibi, dropout, S_dmask": Case(
        q_lengths=(70,), kv_lengths=(700,), alibi="heads", dropout=0.3, probs=True
    ),
    "mla": replace(
        LATENT,
        q_lengths=(3, 2),
        kv_lengths=(1300, 700),
        q_heads=64,
        packed_heads=32,
        leftpad=(5, 0),
        splits=3,
        sinks="fp32",
        chunk=1000,
        cores=3,
    ),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize(("dtype", "auto_barriers"), [("fp16", False), ("bf16", True)])
def test_edges(sim: ModuleType, name: str, dtype: str, auto_barriers: bool) -> None:
    check(sim, replace(EDGES[name], dtype=dtype), auto_barriers)


@pytest.mark.parametrize(
    "options",
    [
        {"window": (300, -1)},
        {"chunk": 300},
        {"window": (400, 0), "softcap": 5.0},
        {"sinks": "fp32"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kv_layout", ["padded", "paged"])
def test_results_do_not_depend_on_cores_or_rows(
    sim: ModuleType, kv_layout: str, options: dict[str, object]
) -> None:
    """How queries are cut up, and who works on what, changes no bit."""
    case = Case(q_lengths=(270, 90), kv_lengths=(1000, 1700), q_heads=4, kv_heads=2, cores=1)
    case = replace(case, kv_layout=kv_layout, **options)  # type: ignore[arg-type]
    results = []
    for cores, rows, packed in ((1, 128, 1), (5, 16, 1), (24, 256, 2), (7, 64, 2)):
        problem = build(replace(case, cores=cores, task_rows=rows, packed_heads=packed))
        assert run(sim, problem, sim.Options()).reports == []
        results.append([a.copy() for a in problem.outputs])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
