"""What counts as an integer, a bool, a window or a length; and what is handed through."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, normal

CU_SEQLENS = torch.tensor([0, 2, 6], dtype=torch.int32)


def qkv() -> tuple[Tensor, Tensor, Tensor]:
    return normal(2, 5, 4, 16), normal(2, 7, 2, 16, seed=1), normal(2, 7, 2, 16, seed=2)


def equal(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "window",
    [
        [2, 1],
        torch.tensor([2, 1]),
        (torch.tensor(2), torch.tensor([1])),
        torch.tensor([2, 1], dtype=torch.int32),
    ],
    ids=["list", "tensor", "tensors", "int32"],
)
def test_window_forms(wheel: Wheel, window: Any) -> None:
    expected = wheel.dense(*qkv(), window_size=(2, 1))
    assert equal(wheel.dense(*qkv(), window_size=window), expected)
    assert not equal(wheel.dense(*qkv()), expected)


@pytest.mark.parametrize("causal", [1, torch.tensor(True), torch.tensor([1])])
def test_causal_forms(wheel: Wheel, causal: Any) -> None:
    assert equal(wheel.dense(*qkv(), causal=causal), wheel.dense(*qkv(), causal=True))


@pytest.mark.parametrize("value", [1, torch.tensor(1.0), torch.tensor([1])])
def test_number_forms(wheel: Wheel, value: Any) -> None:
    expected = wheel.dense(*qkv(), softmax_scale=1.0, softcap=1.0)
    assert equal(wheel.dense(*qkv(), softmax_scale=value, softcap=value), expected)


@pytest.mark.parametrize("bound", [torch.tensor(4), torch.tensor([4], dtype=torch.int32)])
def test_max_seqlen_forms(wheel: Wheel, bound: Tensor) -> None:
    x = normal(6, 4, 16)
    function = wheel.module.flash_attn_varlen_func
    expected = function(x, x, x, CU_SEQLENS, CU_SEQLENS, 4, 4)
    assert torch.equal(function(x, x, x, CU_SEQLENS, CU_SEQLENS, bound, bound), expected)


def test_num_splits_forms(wheel: Wheel) -> None:
    q, k, v = qkv()
    function = wheel.module.flash_attn_with_kvcache
    expected = function(q, k, v, num_splits=2)
    assert torch.equal(function(q, k, v, num_splits=torch.tensor(2)), expected)


def test_causal_replaces_the_right_window(wheel: Wheel) -> None:
    """transformers passes both."""
    expected = wheel.dense(*qkv(), causal=True, window_size=(3, -1))
    assert equal(wheel.dense(*qkv(), causal=True, window_size=(3, 3)), expected)


def test_default_scale(wheel: Wheel) -> None:
    assert equal(wheel.dense(*qkv()), wheel.dense(*qkv(), softmax_scale=0.25))


def test_default_scale_with_qv(v3: Wheel) -> None:
    q, k, v = qkv()
    qv = normal(2, 5, 4, 16, seed=3)
    assert equal(v3.dense(q, k, v, qv=qv), v3.dense(q, k, v, qv=qv, softmax_scale=32**-0.5))


def test_cache_lengths_as_int(wheel: Wheel) -> None:
    q, k, v = qkv()
    function = wheel.module.flash_attn_with_kvcache
    lengths = torch.full((2,), 4, dtype=torch.int32)
    expected = function(q, k, v, cache_seqlens=lengths)
    assert torch.equal(function(q, k, v, cache_seqlens=4), expected)
    assert not torch.equal(function(q, k, v), expected)


def test_cache_lengths_as_int_count_the_queries(wheel: Wheel) -> None:
    """Not the cache rows, of which there may be more."""
    q, k, _ = qkv()
    rows = torch.tensor([1], dtype=torch.int32)
    out = wheel.module.flash_attn_with_kvcache(q[:1], k, k, cache_seqlens=4, cache_batch_idx=rows)
    expected = wheel.module.flash_attn_with_kvcache(q[:1], k[1:], k[1:], cache_seqlens=4)
    assert torch.equal(out, expected)


def test_cache_lengths_as_int_with_packed_queries(v3: Wheel) -> None:
    x, k = normal(6, 4, 16), normal(2, 7, 2, 16)
    function, packed = v3.module.flash_attn_with_kvcache, {"cu_seqlens_q": CU_SEQLENS}
    lengths = torch.full((2,), 5, dtype=torch.int32)
    expected = function(x, k, k, cache_seqlens=lengths, max_seqlen_q=4, **packed)
    assert torch.equal(function(x, k, k, cache_seqlens=5, max_seqlen_q=4, **packed), expected)


def test_strided_index_tensors(wheel: Wheel) -> None:
    q, k, v = qkv()
    lengths = torch.tensor([4, 9, 6, 9], dtype=torch.int32)
    out = wheel.module.flash_attn_with_kvcache(q, k, v, cache_seqlens=lengths[::2])
    expected = wheel.module.flash_attn_with_kvcache(q, k, v, cache_seqlens=lengths[::2].clone())
    assert torch.equal(out, expected)


def test_probs_are_empty_without_dropout(v2: Wheel) -> None:
    x, qkv_ = normal(6, 4, 16).half(), normal(2, 5, 3, 4, 16).half()
    module, want = v2.module, {"return_attn_probs": True}
    bounds = CU_SEQLENS, CU_SEQLENS, 4, 4
    for results in (
        module.flash_attn_func(*qkv_.unbind(2), **want),
        module.flash_attn_qkvpacked_func(qkv_, **want),
        module.flash_attn_kvpacked_func(qkv_[:, :, 0], qkv_[:, :, 1:], **want),
        module.flash_attn_varlen_func(x, x, x, *bounds, **want),
    ):
        assert len(results) == 3
        assert (results[2].shape, results[2].dtype) == ((0,), torch.float16)


def test_probs_are_padded_to_128(v2: Wheel) -> None:
    q, k, v = qkv()
    want = {"dropout_p": 0.5, "return_attn_probs": True}
    assert v2.module.flash_attn_func(q, k, v, **want)[2].shape == (2, 4, 128, 128)
    x, y = normal(6, 4, 16), normal(400, 4, 16)
    cu_seqlens_k = torch.tensor([0, 100, 400], dtype=torch.int32)
    results = v2.module.flash_attn_varlen_func(x, y, y, CU_SEQLENS, cu_seqlens_k, 4, 300, **want)
    assert results[2].shape == (2, 4, 128, 384)
    assert results[1].shape == (4, 6)


def test_dropout_follows_the_seed(v2: Wheel) -> None:
    def masked(seed: int) -> Tensor:
        torch.manual_seed(seed)
        out: Tensor = v2.module.flash_attn_func(*qkv(), dropout_p=0.5)
        return out

    assert torch.equal(masked(1), masked(1))
    assert not torch.equal(masked(1), masked(2))
    first, second = masked(1), v2.module.flash_attn_func(*qkv(), dropout_p=0.5)
    assert not torch.equal(first, second)  # the generator moves on


def test_no_random_numbers_without_dropout(wheel: Wheel) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    wheel.module.flash_attn_func(*qkv())
    assert torch.equal(torch.get_rng_state(), before)


def test_results_of_a_cache_call(v3: Wheel) -> None:
    q, k, v = qkv()
    function = v3.module.flash_attn_with_kvcache
    assert isinstance(function(q, k, v), Tensor)
    out, lse, *rest = function(q, k, v, return_softmax_lse=True)
    assert (out.shape, lse.shape) == ((2, 5, 4, 16), (2, 4, 5))
    assert [x.shape for x in rest] == [(0,), (0,)]
    assert {x.dtype for x in rest} == {torch.float32}


def test_partials_of_a_split_combine_to_the_result(v3: Wheel) -> None:
    q, k, v = qkv()
    function = v3.module.flash_attn_with_kvcache
    out, lse, out_accum, lse_accum = function(q, k, v, num_splits=3, return_softmax_lse=True)
    assert out_accum.shape == (3, 2, 4, 5, 16)
    assert lse_accum.shape == (3, 2, 4, 5)
    combined, combined_lse = v3.module.flash_attn_combine(
        out_accum.transpose(2, 3).contiguous(), lse_accum.transpose(2, 3)
    )
    torch.testing.assert_close(combined, out, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(combined_lse.transpose(1, 2), lse, rtol=1e-6, atol=1e-6)


def test_combine_writes_where_asked(v3: Wheel) -> None:
    partials = normal(3, 2, 5, 4, 16), normal(3, 2, 5, 4)
    expected, lse = v3.module.flash_attn_combine(*partials, out_dtype=torch.bfloat16)
    assert expected.dtype == torch.bfloat16
    assert (lse.shape, lse.stride()) == ((2, 5, 4), (20, 1, 5))
    out = torch.empty_like(expected)
    returned, _ = v3.module.flash_attn_combine(*partials, out=out)
    assert returned is out
    assert torch.equal(out, expected)


def test_metadata_is_reusable_and_copyable(v3: Wheel) -> None:
    q, k = normal(2, 1, 4, 16), normal(2, 64, 2, 16)
    lengths = torch.tensor([40, 64], dtype=torch.int32)
    metadata = v3.module.get_scheduler_metadata(
        2, 1, 64, 4, 2, 16, lengths, qkv_dtype=torch.float32, causal=True
    )
    assert (metadata.dtype, metadata.dim()) == (torch.int32, 1)
    function = v3.module.flash_attn_with_kvcache
    expected = function(q, k, k, cache_seqlens=lengths, causal=True)
    for plan in (metadata, metadata, metadata.clone()):
        out = function(q, k, k, cache_seqlens=lengths, causal=True, scheduler_metadata=plan)
        assert torch.equal(out, expected)


def test_float8_gives_bfloat16(v3: Wheel) -> None:
    q, k, v = (x.to(torch.float8_e4m3fn) for x in qkv())
    scale = torch.full((2, 2), 2.0)
    plain, _ = v3.dense(q, k, v)
    scaled, _ = v3.dense(q, k, v, v_descale=scale)
    assert plain.dtype == torch.bfloat16
    assert torch.equal(scaled, 2 * plain)


def test_extension_applies_everywhere(wheel: Wheel) -> None:
    """A huge sink takes all the probability."""
    q, k, v = qkv()
    sink = torch.full((4,), 1e4)
    x, packed = normal(6, 4, 16), (CU_SEQLENS, CU_SEQLENS, 4, 4)
    module = wheel.module
    calls = [
        module.flash_attn_func(q, k, v, learnable_sink=sink),
        module.flash_attn_qkvpacked_func(normal(2, 5, 3, 4, 16), learnable_sink=sink),
        module.flash_attn_varlen_func(x, x, x, *packed, learnable_sink=sink),
        module.flash_attn_with_kvcache(q, k, v, learnable_sink=sink),
    ]
    if wheel.api == 2:
        kv, qkv_ = normal(6, 2, 4, 16), normal(6, 3, 4, 16)
        calls += [
            module.flash_attn_kvpacked_func(q, torch.stack([k, v], 2), learnable_sink=sink),
            module.flash_attn_varlen_kvpacked_func(x, kv, *packed, learnable_sink=sink),
            module.flash_attn_varlen_qkvpacked_func(qkv_, CU_SEQLENS, 4, learnable_sink=sink),
        ]
    assert all(torch.count_nonzero(out) == 0 for out in calls)
    assert torch.count_nonzero(module.flash_attn_func(q, k, v)) > 0
