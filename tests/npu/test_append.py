"""The append kernel on the simulator: every bit of cache and queries, and no report."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from npu.append_case import Case, build, run
from npu.checked import run_clean
from npu.generated import lengths_of


def check(sim: ModuleType, case: Case, auto_barriers: bool) -> None:
    print(case)
    problem = build(case)
    run_clean(sim, run, problem, auto_barriers)
    for got, want in zip(problem.outputs, problem.expected, strict=True):
        assert np.array_equal(got.view(np.uint16), want.view(np.uint16))


def draw(seed: int) -> Case:
    rng = np.random.default_rng(300_000 + seed)

    def one_of(options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    batch, most = int(rng.integers(1, 5)), one_of((1, 3, 12))
    held = lengths_of(rng, 0, 60, batch)
    packed_new = bool(rng.random() < 0.5)
    new = (
        lengths_of(rng, 0, most, batch) if packed_new else (int(rng.integers(1, most + 1)),) * batch
    )
    kv_heads, dim = one_of((1, 2, 5, 17)), one_of((1, 2, 40, 64, 80, 127, 128, 192, 256, 512))
    return Case(
        seed=seed,
        dtype=one_of(("fp16", "bf16")),
        held=held,
        new=new,
        queries=lengths_of(rng, 0, most, batch),
        packed_new=packed_new,
        packed_queries=bool(rng.random() < 0.5),
        q_heads=kv_heads * one_of((1, 2, 6)),
        kv_heads=kv_heads,
        head_dim=dim,
        value_dim=one_of((1, 64, 100, 512)),
        rotary_dim=2 * int(rng.integers(0, dim // 2 + 1)) if rng.random() < 0.6 else dim // 2 * 2,
        interleaved=bool(rng.random() < 0.5),
        same_q_position=bool(rng.random() < 0.5),
        first_positions=lengths_of(rng, 0, 90, batch) if rng.random() < 0.4 else (),
        positions=one_of((80, 200)),
        page_size=one_of((0, 0, 1, 7, 16, 256)),
        batch_idx=bool(rng.random() < 0.4),
        strides=one_of(("bshd", "bhsd", "gaps")),
        cores=one_of((1, 2, 5, 13, 48)),
    )


def test_generated(sim: ModuleType, seed: int) -> None:
    case = draw(seed)
    check(sim, case, auto_barriers=False)
    check(sim, case, auto_barriers=True)


EDGES = {
    "one": Case(held=(0,), new=(1,), queries=(1,), head_dim=2, value_dim=1, rotary_dim=2),
    "nothing new": Case(held=(4, 5), new=(0, 0), queries=(1, 2), packed_new=True),
    "no queries": Case(held=(4, 5), new=(2, 2), queries=(0, 0)),
    "no batch": Case(held=(), new=(), queries=(), packed_new=True, packed_queries=True),
    "nothing rotated": Case(rotary_dim=0, head_dim=127, value_dim=33),
    "part of each head": Case(rotary_dim=18, head_dim=127, interleaved=True, q_heads=3),
    "all dims": Case(head_dim=512, value_dim=512, rotary_dim=512, kv_heads=20, q_heads=40),
    "more heads than fit": Case(kv_heads=130, q_heads=130, head_dim=128, rotary_dim=128, cores=3),
    "wide strides": Case(strides="wide", held=(3, 0), new=(2, 2), queries=(2, 1), cores=2),
    "positions behind the tables": Case(held=(5, 60), new=(3, 3), queries=(3, 3), positions=7),
    "no row": Case(held=(5, 6), new=(3, 3), queries=(3, 3), batch_idx=True, wrong="row"),
    "no page": Case(held=(5, 6), new=(30, 30), queries=(3, 3), page_size=8, wrong="page", cores=2),
    "no room": Case(held=(5, 6), new=(9, 9), queries=(3, 3), room=12, cores=3),
    "last slot of a page": Case(held=(15, 31), new=(2, 2), queries=(2, 2), page_size=16, cores=48),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("auto_barriers", [False, True])
def test_edges(sim: ModuleType, name: str, dtype: str, auto_barriers: bool) -> None:
    check(sim, replace(EDGES[name], dtype=dtype), auto_barriers)
