"""Key/value caches in int8: what is written, bit by bit, and what is read."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from .support import Wheel, normal

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SCALES = torch.tensor([[0.5, 0.03], [0.25, 1.0 / 3.0]])  # [B, Hkv]


def appended(wheel: Wheel, k: Tensor, scales: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
    """The codes of new keys, and of the same as values, of an empty cache."""
    batch, tokens, heads, dim = k.shape
    caches = torch.full((2, batch, tokens + 3, heads, dim), 99, dtype=torch.int8)
    q = torch.zeros(batch, 1, heads, dim, dtype=k.dtype)
    used = torch.ones(batch, dtype=torch.int32)
    scale = {"k_descale": scales, "v_descale": scales}
    wheel.module.flash_attn_with_kvcache(
        q, *caches, k, k.clone(), cache_seqlens=used, **scale, **more
    )
    for cache in caches:
        assert bool((cache[:, :1] == 99).all() and (cache[:, tokens + 1 :] == 99).all())
    return caches[0, :, 1 : tokens + 1], caches[1, :, 1 : tokens + 1]


def code(x: float, scale: float) -> int:
    """By the rule of docs/guides/int8-cache.md, in Python numbers."""
    single = torch.tensor([x, 1.0], dtype=torch.float32) * (
        torch.tensor(1.0) / torch.tensor(scale, dtype=torch.float32)
    )
    scaled = float(single[0])
    if math.isnan(scaled):
        return 0
    return round(max(-127.0, min(127.0, scaled)))  # Python rounds ties to even


@pytest.mark.parametrize("dtype", DTYPES)
def test_codes(wheel: Wheel, dtype: torch.dtype) -> None:
    k = (20.0 * normal(2, 5, 2, 24)).to(dtype)
    k[0, 0, 0, :10] = torch.tensor(
        [0.25, 0.75, -0.25, -0.75, 1.25, 63.25, 64.0, -64.0, math.inf, -math.inf]
    )
    k[1, 0, 1, :4] = torch.tensor([math.nan, -0.0, 1e-30, 3e4])
    for codes in appended(wheel, k, SCALES):
        for b, t, h, i in torch.cartesian_prod(*(torch.arange(n) for n in k.shape)).tolist():
            expected = code(float(k[b, t, h, i]), float(SCALES[b, h]))
            assert int(codes[b, t, h, i]) == expected, (b, t, h, i, k[b, t, h, i])
        assert codes[0, 0, 0, :10].tolist() == [0, 2, 0, -2, 2, 126, 127, -127, 127, -127]


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_are_rotated_and_rounded_before(wheel: Wheel, dtype: torch.dtype) -> None:
    """The cache is what quantising a cache in the dtype of q gives."""
    k, angle = normal(2, 5, 2, 24, dtype=dtype), torch.rand(16, 8)
    rotary = {"rotary_cos": angle.cos().to(dtype), "rotary_sin": angle.sin().to(dtype)}
    plain = torch.zeros(2, 2, 8, 2, 24, dtype=dtype)
    q, used = torch.zeros(2, 1, 2, 24, dtype=dtype), torch.ones(2, dtype=torch.int32)
    wheel.module.flash_attn_with_kvcache(q, *plain, k, k, cache_seqlens=used, **rotary)
    rotated = plain[0, :, 1:6].contiguous()
    codes, _ = appended(wheel, k, SCALES, **rotary)
    assert torch.equal(codes, appended(wheel, rotated, SCALES)[0])


@pytest.mark.parametrize("queries", [1, 40])
def test_attention_is_that_of_the_values(wheel: Wheel, queries: int) -> None:
    """In fp32 a dequantised cache differs by roundings only, whatever the scales' form."""
    generator = torch.Generator().manual_seed(3)
    codes = torch.randint(-128, 128, (2, 2, 50, 2, 24), generator=generator, dtype=torch.int8)
    q, sink = normal(2, queries, 4, 24), normal(4)
    options = {"causal": True, "softcap": 5.0, "learnable_sink": sink, "return_softmax_lse": True}
    attend = wheel.module.flash_attn_with_kvcache
    for scales in (SCALES / 32, SCALES[0] / 32):
        dense = codes * (scales[:, None] if scales.dim() == 2 else scales)[..., None]
        expected = attend(q, *dense, **options)
        actual = attend(q, *codes, k_descale=scales, v_descale=scales, **options)
        for a, b in zip(actual[:2], expected[:2], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_gradients_are_refused(wheel: Wheel) -> None:
    codes = torch.ones(2, 2, 8, 2, 16, dtype=torch.int8)
    q = normal(2, 1, 4, 16).requires_grad_()
    scale = torch.ones(2)
    out = wheel.module.flash_attn_with_kvcache(q, *codes, k_descale=scale, v_descale=scale)
    with pytest.raises(wheel.module.NotSupported):
        out.sum().backward()
    if wheel.api == 3:
        out = wheel.module.flash_attn_func(q, *codes, k_descale=scale, v_descale=scale)
        with pytest.raises(wheel.module.NotSupported, match="k: got int8"):
            out.sum().backward()
