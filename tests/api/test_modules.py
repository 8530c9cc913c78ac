"""Attention modules of the v2 interface: against plain PyTorch, packed, decoding with a cache."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, gradient, leaf, normal


@pytest.fixture
def mha(v2: Wheel) -> Any:
    import flash_attn.modules.mha

    return flash_attn.modules.mha


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> None:
    other.load_state_dict(one.state_dict())


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 16, 20])
def test_alibi_slopes(mha: Any, heads: int) -> None:
    slopes = mha.get_alibi_slopes(heads)
    assert len(slopes) == heads
    lower = 2 ** math.floor(math.log2(heads))
    assert slopes[:lower] == pytest.approx([2 ** (-8 * i / lower) for i in range(1, lower + 1)])
    higher = [2 ** (-8 * i / (2 * lower)) for i in range(1, 2 * lower + 1)]
    assert slopes[lower:] == pytest.approx(higher[::2][: heads - lower])


@pytest.mark.smoke
@pytest.mark.parametrize("causal", [False, True])
def test_inner_attention(mha: Any, causal: bool) -> None:
    qkv, copy = leaf(2, 7, 3, 4, 16), leaf(2, 7, 3, 4, 16)
    ours = mha.FlashSelfAttention(causal=causal)(qkv)
    plain = mha.SelfAttention(causal=causal)(copy)
    assert torch.allclose(ours, plain, atol=1e-6)
    ours.square().sum().backward()
    plain.square().sum().backward()
    assert torch.allclose(gradient(qkv), gradient(copy), atol=1e-5)
    q, kv = normal(2, 3, 4, 16), normal(2, 7, 2, 2, 16)
    ours = mha.FlashCrossAttention()(q, kv, causal=causal)
    assert torch.allclose(ours, mha.CrossAttention()(q, kv, causal=causal), atol=1e-6)


def test_packed_inner_attention(mha: Any) -> None:
    cu = torch.tensor([0, 2, 6], dtype=torch.int32)
    qkv = normal(6, 3, 4, 16)
    inner = mha.FlashSelfAttention(causal=True, window_size=(2, 0))
    out = inner(qkv, cu_seqlens=cu, max_seqlen=4)
    assert torch.allclose(out[2:], inner(qkv[None, 2:])[0], atol=1e-6)
    cross = mha.FlashCrossAttention(causal=True, window_size=(2, 0))
    both = cross(qkv[:, 0], qkv[:, 1:], None, cu, 4, cu, 4)
    assert torch.equal(both, out)
    with pytest.raises(RuntimeError, match="max_seqlen"):
        inner(qkv, cu_seqlens=cu)


def test_padding(mha: Any) -> None:
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    qkv = normal(2, 7, 3, 4, 16)
    out = mha.SelfAttention()(qkv, key_padding_mask=mask)
    assert torch.allclose(out[1:], mha.CrossAttention()(qkv[1:, :, 0], qkv[1:, :4, 1:]), atol=1e-6)
    q, kv = normal(2, 2, 4, 16), qkv[:, :, 1:]
    out = mha.CrossAttention(causal=True)(q, kv, key_padding_mask=mask)
    alone = mha.FlashCrossAttention(causal=True)(q[1:], kv[1:, :4])
    assert torch.allclose(out[1:], alone, atol=1e-6)


def test_dropout_in_training_only(mha: Any) -> None:
    qkv = normal(2, 7, 3, 4, 16)
    inner = mha.FlashSelfAttention(attention_dropout=0.5)
    assert not torch.equal(inner(qkv), inner(qkv))
    assert torch.equal(inner.eval()(qkv), mha.FlashSelfAttention()(qkv))


FORMS: list[dict[str, Any]] = [
    {},
    {"causal": True},
    {"num_heads_kv": 2, "causal": True},
    {"rotary_emb_dim": 16, "causal": True},
    {"rotary_emb_dim": 8, "rotary_emb_interleaved": True, "num_heads_kv": 2, "causal": True},
    {"rotary_emb_dim": 16, "rotary_emb_scale_base": 512.0, "causal": True},
    {"cross_attn": True},
    {"dwconv": True},
    {"dwconv": True, "num_heads_kv": 2, "qkv_proj_bias": False},
    {"softmax_scale": 0.3, "out_proj_bias": False},
]


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_mha_as_in_plain_torch(mha: Any, options: dict[str, Any]) -> None:
    plain = mha.MHA(64, 4, **options)
    ours = mha.MHA(64, 4, use_flash_attn=True, **options)
    same_weights(plain, ours)
    x, y = leaf(2, 7, 64), leaf(2, 7, 64)
    other = {"x_kv": normal(2, 9, 64)} if options.get("cross_attn") else {}
    a, b = ours(x, **other), plain(y, **other)
    assert torch.allclose(a, b, atol=1e-5)
    a.square().sum().backward()
    b.square().sum().backward()
    assert torch.allclose(gradient(x), gradient(y), atol=1e-4)


def test_mha_packed(mha: Any) -> None:
    cu = torch.tensor([0, 2, 6], dtype=torch.int32)
    x = normal(6, 64)
    for options in ({}, {"num_heads_kv": 2}):
        module = mha.MHA(64, 4, causal=True, use_flash_attn=True, **options)
        out = module(x, cu_seqlens=cu, max_seqlen=4)
        assert torch.allclose(out[2:], module(x[None, 2:])[0], atol=1e-6)


def test_mha_extras(mha: Any) -> None:
    x = normal(2, 7, 64)
    module = mha.MHA(64, 4, use_flash_attn=True, use_alibi=True, window_size=(3, 3))
    assert module(x).shape == x.shape
    with_input = mha.MHA(64, 4, return_residual=True)
    assert with_input(x)[1] is x
    again = mha.MHA(64, 4, use_flash_attn=True, checkpointing=True)
    once = mha.MHA(64, 4, use_flash_attn=True)
    same_weights(again, once)
    a, b = leaf(2, 7, 64), leaf(2, 7, 64)
    again(a).sum().backward()
    once(b).sum().backward()
    assert torch.equal(gradient(a), gradient(b))
    cross = mha.MHA(64, 4, cross_attn=True, use_flash_attn=True)
    assert torch.allclose(cross(x, mixer_subset=slice(0, 1)), cross(x)[:, :1], atol=1e-6)


DECODING: list[dict[str, Any]] = [
    {},
    {"num_heads_kv": 2},
    {"rotary_emb_dim": 16},
    {"rotary_emb_dim": 8},
    {"rotary_emb_dim": 16, "num_heads_kv": 2, "rotary_emb_interleaved": True},
    {"use_alibi": True},
    {"window_size": (2, 0)},
]


@pytest.mark.parametrize("flash", [True, False])
@pytest.mark.parametrize("options", DECODING, ids=str)
def test_decoding_equals_the_whole(mha: Any, options: dict[str, Any], flash: bool) -> None:
    from flash_attn.utils.generation import InferenceParams

    if not flash and ("use_alibi" in options or "window_size" in options):
        pytest.skip("needs use_flash_attn")
    module = mha.MHA(64, 4, causal=True, layer_idx=3, use_flash_attn=flash, **options).eval()
    x = normal(2, 9, 64)
    with torch.no_grad():
        whole = module(x)
        params = InferenceParams(max_seqlen=12, max_batch_size=2)
        parts: list[Tensor] = []
        for begin, end in ((0, 5), (5, 6), (6, 7), (7, 9)):
            parts.append(module(x[:, begin:end], inference_params=params))
            params.seqlen_offset = end
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
    assert params.key_value_memory_dict[3].shape[:2] == (2, 12)
    assert module.allocate_inference_cache(2, 12).shape == params.key_value_memory_dict[3].shape


def test_decoding_with_lengths(mha: Any) -> None:
    from flash_attn.utils.generation import InferenceParams

    module = mha.MHA(64, 4, causal=True, layer_idx=0, use_flash_attn=True, rotary_emb_dim=16).eval()
    x = normal(2, 6, 64)
    with torch.no_grad():
        params = InferenceParams(max_seqlen=8, max_batch_size=2)
        module(x[:, :5], inference_params=params)
        # The second entry has 3 tokens only.
        params.seqlen_offset = 5
        params.lengths_per_sample = torch.tensor([5, 3], dtype=torch.int32)
        step = module(x[:, 5:], inference_params=params)
        short = module(torch.cat([x[1:, :3], x[1:, 5:]], 1))
        assert torch.allclose(step[:1], module(x[:1])[:, 5:], atol=1e-5)
        assert torch.allclose(step[1:], short[:, 3:], atol=1e-5)
    params.reset(8, 2)
    assert params.seqlen_offset == 0
    assert int(params.lengths_per_sample.sum()) == 0


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        ({"use_alibi": True}, {}, "need use_flash_attn"),
        ({"cross_attn": True, "rotary_emb_dim": 16}, {}, "rotary_emb_dim"),
        ({"num_heads_kv": 3}, {}, "num_heads: got 4"),
        ({}, {"x_kv": normal(2, 7, 64)}, "need cross_attn"),
        ({}, {"cu_seqlens": torch.tensor([0, 7])}, "needs use_flash_attn"),
        (
            {"use_flash_attn": True},
            {"key_padding_mask": torch.ones(2, 7, dtype=torch.bool)},
            "needs use_flash_attn=False",
        ),
    ],
)
def test_refusals(v2: Wheel, mha: Any, options: Any, call: Any, message: str) -> None:
    with pytest.raises(v2.module.InvalidArgument, match=message):
        mha.MHA(64, 4, **options)(normal(2, 7, 64), **call)
