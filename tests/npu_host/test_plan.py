"""Plans follow from shapes, bounds and options, never from values of index tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fa_testing.backends import Wheel
from npu_host.machine import Machine, wheels


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def half(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).half()


def plan(wheel: Wheel) -> dict[str, Any]:
    found = dict(wheel.native.last_plan())
    assert found["backend"] == "npu"
    return found


def test_lengths_do_not_change_a_plan(wheel: Wheel, machine: Machine) -> None:
    machine.use(cores=5)
    q, kv = half(800, 4, 32), half(300, 2, 32)
    plans = []
    for starts, key_starts in (((0, 300, 800), (0, 150, 300)), ((0, 1, 2), (0, 0, 3))):
        wheel.module.flash_attn_varlen_func(q, kv, kv, int32(*starts), int32(*key_starts), 600, 200)
        plans.append(plan(wheel))
    assert plans[0] == plans[1]


def test_pages_do_not_change_a_plan(wheel: Wheel, machine: Machine) -> None:
    machine.use(cores=24)
    name = {2: "block_table", 3: "page_table"}[wheel.api]
    q, cache = half(2, 1, 8, 64), half(9, 16, 2, 64)
    plans = []
    for table, lengths in (([[0, 1, 2], [3, 4, 5]], (48, 33)), ([[8, 8, 8], [7, 0, 1]], (0, 1))):
        pages = torch.tensor(table, dtype=torch.int32)
        wheel.module.flash_attn_with_kvcache(
            q, cache, cache, cache_seqlens=int32(*lengths), **{name: pages}
        )
        plans.append(plan(wheel))
    assert plans[0] == plans[1]


@pytest.mark.parametrize(
    ("tokens", "heads", "kv_heads", "packed"),
    [(1, 8, 2, 4), (1, 6, 1, 6), (100, 6, 2, 3), (300, 8, 1, 1), (1, 200, 1, 100), (7, 2, 2, 1)],
)
def test_heads_of_a_group_are_packed_where_a_head_does_not_fill_a_task(
    wheel: Wheel, tokens: int, heads: int, kv_heads: int, packed: int
) -> None:
    q, kv = half(1, tokens, heads, 16), half(1, 8, kv_heads, 16)
    wheel.module.flash_attn_func(q, kv, kv)
    assert plan(wheel)["heads_per_row_group"] == packed


def test_pack_gqa_decides() -> None:
    wheel = wheels(3)
    for tokens, pack, packed in ((1, False, 1), (1, True, 4), (300, True, 4), (300, False, 1)):
        q, kv = half(1, tokens, 8, 16), half(1, 8, 2, 16)
        wheel.module.flash_attn_func(q, kv, kv, pack_gqa=pack)
        assert plan(wheel)["heads_per_row_group"] == packed


def test_small_problems_get_small_tasks_and_few_cores(wheel: Wheel, machine: Machine) -> None:
    machine.use(cores=24)
    q = half(1, 256, 4, 16)
    wheel.module.flash_attn_func(q, q, q)
    assert (plan(wheel)["rows_per_task"], plan(wheel)["cores"]) == (64, 16)
    machine.use(cores=2)
    wheel.module.flash_attn_func(q, q, q)
    assert (plan(wheel)["rows_per_task"], plan(wheel)["cores"]) == (256, 2)


@pytest.mark.parametrize(
    ("dim", "bucket"), [(1, 64), (65, 128), (128, 128), (129, 256), (256, 256)]
)
def test_buckets(wheel: Wheel, dim: int, bucket: int) -> None:
    for dtype, name in ((torch.float16, "fp16"), (torch.bfloat16, "bf16")):
        x = torch.randn(1, 4, 1, dim).to(dtype)
        wheel.module.flash_attn_func(x, x, x)
        assert plan(wheel)["kernel"] == f"fa_forward_{name}_d{bucket}"


def test_nothing_to_do(wheel: Wheel) -> None:
    for shape in ((0, 4, 2, 16), (2, 0, 2, 16)):
        x = half(*shape)
        assert wheel.module.flash_attn_func(x, x, x).shape == shape
