"""The forward kernels of int8 caches: the cases of the plain ones, and what only they have."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from npu import generated
from npu.forward_case import Case
from npu.test_forward import check


def draw(seed: int) -> Case:
    """A case of another seed than those of the plain kernels."""
    case = generated.draw(10_000 + seed)
    return replace(case, int8=("head", "entry")[seed % 2])


def test_generated(sim: ModuleType, seed: int) -> None:
    check(sim, draw(seed), auto_barriers=False)
    check(sim, draw(seed), auto_barriers=True)


EDGES = {
    "one": Case(q_lengths=(1,), kv_lengths=(1,), head_dim=1, value_dim=1),
    "no keys": Case(q_lengths=(5,), kv_lengths=(0,)),
    "empty tasks between": Case(
        q_lengths=(40, 3, 70, 0, 9), kv_lengths=(90, 0, 600, 4, 0), window=(-1, 0)
    ),
    "more stacks than places": Case(
        q_lengths=(3,), kv_lengths=(4700,), head_dim=128, value_dim=128
    ),
    "many tasks of one unit": Case(q_lengths=(64,) * 9, kv_lengths=(64,) * 9, cores=2),
    "tasks of different scales": Case(
        q_lengths=(1,) * 5, kv_lengths=(700,) * 5, q_heads=8, kv_heads=2, packed_heads=4
    ),
    "window that skips tiles": Case(
        q_lengths=(300,), kv_lengths=(3000,), head_dim=128, value_dim=128, window=(100, 0)
    ),
    "all dims": Case(q_lengths=(70,), kv_lengths=(1700,), head_dim=256, value_dim=256),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("auto_barriers", [False, True])
def test_edges(sim: ModuleType, name: str, dtype: str, auto_barriers: bool) -> None:
    check(sim, replace(EDGES[name], dtype=dtype, int8="entry"), auto_barriers)


@pytest.mark.parametrize("page_size", [1, 16, 300])
def test_pages_that_do_not_exist_are_not_read(sim: ModuleType, page_size: int) -> None:
    case = Case(q_lengths=(9, 130), kv_lengths=(300, 700), kv_layout="paged", page_size=page_size)
    check(sim, replace(case, bad_pages=True, int8="head"), auto_barriers=False)
