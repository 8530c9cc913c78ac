"""Units that multiply pairs of bf16: keys without a partner, and which keys are partners.

Few rows read keys and values where the tensor has them, many take packed tiles: both are here.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from conformance.invariants import instruction_set
from fa_testing.backends import Wheel

# Query heads on one KV head: a row for each, few (less than a block of four, or three of them) or
# many.
FEW, SOME, MANY = 2, 12, 20
# Rows of the widest strip: rows of one strip share what they see of a tile.
STRIP = 32


def tokens(seed: int, count: int, heads: int = 1, dim: int = 33) -> Tensor:
    """bf16 [1, count, heads, dim]; an odd dim leaves its last element without a partner too."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, count, heads, dim, generator=generator).bfloat16()


def attend(
    wheel: Wheel, q: Tensor, k: Tensor, v: Tensor, window: tuple[int, int], keys: int
) -> Tensor:
    """Attention of q to the first `keys` keys of a cache, causal, without splits."""
    out: Tensor = wheel.module.flash_attn_with_kvcache(
        q,
        k,
        v,
        cache_seqlens=torch.tensor([keys], dtype=torch.int32),
        causal=True,
        window_size=window,
        num_splits=1,
    )
    return out


@pytest.mark.smoke
@pytest.mark.parametrize("heads", [FEW, SOME, MANY])
@pytest.mark.parametrize(
    ("queries", "keys", "window", "rows", "unseen"),
    [
        (1, 131, (-1, -1), 1, slice(131, None)),  # behind the last key, the third of a tile
        (1, 1, (-1, -1), 1, slice(1, None)),
        (1, 200, (36, 0), 1, slice(0, 163)),  # before the first key, which is odd
        (1, 300, (34, 0), 1, slice(0, 265)),  # the same behind a whole tile
        # Seen by rows of later strips: 16 queries fill whole strips with any of these heads.
        (2 * STRIP, 2 * STRIP + 7, (-1, -1), STRIP // 2, slice(STRIP // 2 + 7, None)),
    ],
)
def test_keys_without_a_partner(
    wheel: Wheel,
    queries: int,
    keys: int,
    window: tuple[int, int],
    rows: int,
    unseen: slice,
    heads: int,
) -> None:
    """What lies where the partner of a key would be has no effect on rows that do not see it."""
    q, k, v = tokens(1, queries, heads), tokens(2, 400), tokens(3, 400)
    for isa in wheel.native.isas():
        results = []
        for value in (0.0, math.nan, math.inf):
            k[:, unseen], v[:, unseen] = value, value
            with instruction_set(wheel, isa):
                results.append(attend(wheel, q, k, v, window, keys)[:, :rows])
            assert torch.equal(results[-1], results[0]), f"isa {isa}: {value} came through"


def test_partners_do_not_depend_on_other_rows(wheel: Wheel) -> None:
    """A window whose first key is odd gives the same bits alone and among rows that see more.

    All scores are equal and the values cancel in exact arithmetic, so what comes out is nothing but
    the roundings of the sums, and tells their order.
    """
    count, period = 300, 40
    q = torch.zeros(1, count, MANY, 64).bfloat16()
    k = torch.zeros(1, count, 1, 64).bfloat16()
    steps = 2.0 ** (torch.arange(count) % (period // 2) % 23)[:, None, None]
    signs = 1.0 - 2.0 * (torch.arange(count) // (period // 2) % 2)[:, None, None]
    v = tokens(4, period // 2, dim=64)[0].repeat(count // (period // 2), 1, 1) * steps * signs
    v = v.bfloat16()[None]
    window = (period - 1, 0)
    for isa in wheel.native.isas():
        with instruction_set(wheel, isa):
            whole = attend(wheel, q, k, v, window, count)
            assert bool((whole[:, period:] != 0).any()), f"isa {isa}: the sums have no roundings"
            for row in range(period, count, 7):
                alone = attend(wheel, q[:, row : row + 1], k, v, window, row + 1)
                assert torch.equal(alone, whole[:, row : row + 1]), f"isa {isa}: row {row}"


@pytest.mark.smoke
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_heads_that_share_a_task(wheel: Wheel, dtype: torch.dtype) -> None:
    """More threads leave fewer heads of a decode step to a task; its bits do not tell."""
    kv_heads, keys = 6, 700
    q = tokens(5, 1, 2 * kv_heads, 64).to(dtype)
    k, v = (tokens(seed, keys, kv_heads, 64).to(dtype) for seed in (6, 7))
    before = torch.get_num_threads()
    try:
        for isa in wheel.native.isas():
            results = []
            with instruction_set(wheel, isa):
                for threads in (1, 2, 5):
                    torch.set_num_threads(threads)
                    results.append(attend(wheel, q, k, v, (-1, -1), keys))
            assert all(torch.equal(result, results[0]) for result in results), f"isa {isa}"
            for head in range(kv_heads):
                both, one = slice(2 * head, 2 * head + 2), slice(head, head + 1)
                with instruction_set(wheel, isa):
                    alone = attend(wheel, q[:, :, both], k[:, :, one], v[:, :, one], (-1, -1), keys)
                assert torch.equal(alone, results[0][:, :, both]), f"isa {isa}, head {head}"
    finally:
        torch.set_num_threads(before)
