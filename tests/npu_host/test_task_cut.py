"""Tasks are cut so that all cores are busy to the end, as well as trying every cut finds."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from npu.task_cut import CutWork, best_cut, busiest
from npu_host.machine import Machine, wheels

CORES = 24


class Shape(NamedTuple):
    """With one key: of many, splits might be chosen instead."""

    batch: int
    queries: int
    heads: tuple[int, int]
    dim: int = 64
    causal: bool = False


SHAPES = (
    *(Shape(1, queries, (16, 16)) for queries in (300, 1000, 2048, 4096)),
    *(Shape(batch, 700, (5, 5), 128) for batch in (1, 3, 7)),
    *(Shape(1, 2048, (heads, heads), 256) for heads in (1, 8, 12)),
    Shape(2, 100, (12, 2)),
    Shape(1, 40, (24, 3), 256),
    *(Shape(1, queries, (16, 16), dim, True) for queries in (1024, 2048) for dim in (128, 256)),
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_cut_is_the_best(shape: Shape, machine: Machine) -> None:
    wheel = wheels(3)
    machine.use(cores=CORES)
    q = torch.zeros(shape.batch, shape.queries, shape.heads[0], shape.dim).half()
    k = torch.zeros(shape.batch, 1, shape.heads[1], shape.dim).half()
    wheel.module.flash_attn_func(q, k, k, causal=shape.causal)
    plan = dict(wheel.native.last_plan())
    packed = int(plan["heads_per_row_group"])
    work = CutWork(
        queries=shape.queries,
        sequences=shape.batch * shape.heads[0] // packed,
        heads=packed,
        cores=CORES,
        most_rows=224 if shape.dim == 256 else 256,
        dim_columns=2 * shape.dim,
        diagonal=shape.causal,
    )
    best, load = best_cut(work)
    chosen = (plan["rows_per_task"], plan["cut_blocks"], plan["rest_rows"])
    print(f"{chosen}, best {(best.rows, best.blocks, best.rest_rows)}")
    if shape.causal:
        assert chosen == (best.rows, best.blocks, best.rest_rows)
    else:
        assert busiest(work, *chosen) <= 1.02 * load
