"""lse and out of rows that see no key, by the convention of each interface."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from api.support import Wheel, leaf, normal


def empty_row(wheel: Wheel) -> float:
    return math.inf if wheel.api == 2 else -math.inf


def varlen(
    wheel: Wheel, lens_q: list[int], lens_k: list[int], **options: object
) -> tuple[Tensor, Tensor]:
    starts = [torch.tensor([0, *lens]).cumsum(0, dtype=torch.int32) for lens in (lens_q, lens_k)]
    q, k = leaf(sum(lens_q), 4, 16), leaf(sum(lens_k), 2, 16)
    bounds = max(lens_q, default=0), max(lens_k, default=0)
    results = wheel.module.flash_attn_varlen_func(
        q, k, k, *starts, *bounds, return_attn_probs=True, **options
    )
    (results[0].sum() + results[1].nan_to_num(0, 0, 0).sum()).backward()
    for x in (q, k):
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
    return results[0].detach(), results[1].detach()


@pytest.mark.parametrize("num_splits", [1, 2])
def test_masked_rows(wheel: Wheel, num_splits: int) -> None:
    """Causal with more queries than keys: the first rows see nothing."""
    q, k = normal(1, 5, 2, 16), normal(1, 3, 2, 16)
    results = wheel.module.flash_attn_with_kvcache(
        q, k, k, causal=True, num_splits=num_splits, return_softmax_lse=True
    )
    out, lse = results[0], results[1]
    assert torch.count_nonzero(out[:, :2]) == 0
    assert (lse[..., :2] == empty_row(wheel)).all()
    assert torch.isfinite(lse[..., 2:]).all()


def test_masked_rows_of_the_dense_function(wheel: Wheel) -> None:
    q, k = leaf(1, 5, 2, 16), leaf(1, 3, 2, 16)
    out, lse = wheel.dense(q, k, k, causal=True)
    assert (lse[..., :2] == empty_row(wheel)).all()
    (out.sum() + lse[..., 2:].sum()).backward()
    assert q.grad is not None
    assert torch.count_nonzero(q.grad[:, :2]) == 0
    assert torch.isfinite(q.grad).all()


def test_sequence_without_keys(wheel: Wheel) -> None:
    out, lse = varlen(wheel, [2, 3], [4, 0])
    assert torch.count_nonzero(out[2:]) == 0
    assert torch.count_nonzero(out[:2]) > 0
    assert (lse[:, 2:] == empty_row(wheel)).all()
    assert torch.isfinite(lse[:, :2]).all()


def test_sequence_without_queries(wheel: Wheel) -> None:
    out, lse = varlen(wheel, [0, 3, 0], [4, 2, 0])
    assert out.shape == (3, 4, 16)
    assert torch.isfinite(lse).all()


def test_no_keys_at_all(wheel: Wheel) -> None:
    """Both originals fill lse with +inf then."""
    out, lse = wheel.dense(leaf(2, 3, 4, 16), leaf(2, 0, 2, 16), leaf(2, 0, 2, 16))
    assert torch.count_nonzero(out) == 0
    assert (lse == math.inf).all()
    out, lse = varlen(wheel, [2, 3], [0, 0])
    assert torch.count_nonzero(out) == 0
    assert (lse == math.inf).all()


def test_no_queries_at_all(wheel: Wheel) -> None:
    q, k, v = leaf(2, 0, 4, 16), leaf(2, 3, 2, 16), leaf(2, 3, 2, 16)
    out, lse = wheel.dense(q, k, v)
    assert (out.shape, lse.shape) == ((2, 0, 4, 16), (2, 4, 0))
    (out.sum() + lse.sum()).backward()
    for x in (k, v):
        assert x.grad is not None
        assert torch.count_nonzero(x.grad) == 0


def test_no_batch_entries(wheel: Wheel) -> None:
    q, k = leaf(0, 3, 4, 16), leaf(0, 5, 2, 16)
    out, lse = wheel.dense(q, k, k)
    assert (out.shape, lse.shape) == ((0, 3, 4, 16), (0, 4, 3))
    out.sum().backward()
    assert q.grad is not None
    assert q.grad.shape == q.shape


def test_empty_cache(wheel: Wheel) -> None:
    q, k = normal(2, 1, 4, 16), normal(2, 6, 2, 16)
    lengths = torch.tensor([0, 6], dtype=torch.int32)
    results = wheel.module.flash_attn_with_kvcache(
        q, k, k, cache_seqlens=lengths, return_softmax_lse=True
    )
    assert torch.count_nonzero(results[0][0]) == 0
    assert (results[1][0] == empty_row(wheel)).all()
    assert torch.isfinite(results[1][1]).all()


def test_unused_query_rows(v3: Wheel) -> None:
    used = torch.tensor([1, 3], dtype=torch.int32)
    out, lse = varlen(v3, [2, 3], [4, 4], seqused_q=used)
    assert torch.count_nonzero(out[1]) == 0
    assert (lse[:, 1] == -math.inf).all()
    assert torch.isfinite(lse[:, [0, 2, 3, 4]]).all()


def test_a_sink_makes_rows_finite(wheel: Wheel) -> None:
    """A row with no key but a sink has the sink as its only score."""
    sink = normal(2)
    out, lse = wheel.dense(
        normal(1, 5, 2, 16),
        normal(1, 3, 2, 16),
        normal(1, 3, 2, 16),
        causal=True,
        learnable_sink=sink,
    )
    assert torch.count_nonzero(out[:, :2]) == 0
    torch.testing.assert_close(lse[0, :, :2], sink[:, None].expand(2, 2), rtol=1e-6, atol=1e-6)
