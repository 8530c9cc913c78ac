"""Attention without projections: ours, and the same in plain PyTorch to compare with."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from flash_attn._common.errors import InvalidArgument
from flash_attn.flash_attn_interface import (
    flash_attn_kvpacked_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_kvpacked_func,
    flash_attn_varlen_qkvpacked_func,
)

# What the plain forms add to scores that are masked; so large in half precision that they vanish.
_MASKED = -10000.0


def get_alibi_slopes(nheads: int) -> list[float]:
    """Slopes of ALiBi for each head: 2**(-8 i / n), i = 1 to n, for n a power of two.

    Args:
      nheads: int. Other numbers get the slopes of the next lower power of two, then every other
          one of the next higher.
    Returns:
      List of `nheads` floats.
    """
    lower = 1 << (nheads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * (i + 1) / lower) for i in range(lower)]
    between = [2.0 ** (-8.0 * (i + 1) / (2 * lower)) for i in range(0, 2 * lower, 2)]
    return slopes + between[: nheads - lower]


class _Flash(nn.Module):
    """Options of both forms; dropout in training only."""

    alibi_slopes: Tensor | None

    def __init__(
        self,
        causal: bool,
        softmax_scale: float | None,
        attention_dropout: float,
        window_size: Any,
        alibi_slopes: Tensor | None,
        deterministic: bool,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.softmax_scale = softmax_scale
        self.drop = nn.Dropout(attention_dropout)
        self.register_buffer("alibi_slopes", alibi_slopes, persistent=False)
        self.window_size = window_size
        self.deterministic = deterministic

    def _options(self, causal: bool | None) -> dict[str, Any]:
        slopes = self.alibi_slopes
        return {
            "dropout_p": self.drop.p if self.training else 0.0,
            "softmax_scale": self.softmax_scale,
            "causal": self.causal if causal is None else causal,
            "window_size": self.window_size,
            # A model converted to half precision has converted the slopes, too.
            "alibi_slopes": None if slopes is None else slopes.float(),
            "deterministic": self.deterministic,
        }


class FlashSelfAttention(_Flash):
    """Attention of q, k and v in one tensor."""

    def __init__(
        self,
        causal: bool = False,
        softmax_scale: float | None = None,
        attention_dropout: float = 0.0,
        window_size: Any = (-1, -1),
        alibi_slopes: Tensor | None = None,
        deterministic: bool = False,
    ) -> None:
        """See `flash_attn_qkvpacked_func`; `attention_dropout` is its dropout_p in training."""
        super().__init__(
            causal, softmax_scale, attention_dropout, window_size, alibi_slopes, deterministic
        )

    def forward(
        self,
        qkv: Tensor,
        causal: bool | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
    ) -> Any:
        """
        Args:
          qkv: fp32|fp16|bf16 [B, S, 3, H, D], or packed [T, 3, H, D] with `cu_seqlens`.
          causal: bool, or None for that of the module.
          cu_seqlens: int32 [B + 1] or None.
          max_seqlen: int, needed with `cu_seqlens`.
        Returns:
          [B, S, H, D] or [T, H, D].
        """
        options = self._options(causal)
        if cu_seqlens is None:
            return flash_attn_qkvpacked_func(qkv, **options)
        if max_seqlen is None:
            raise InvalidArgument("max_seqlen: got None, expected an int with cu_seqlens")
        return flash_attn_varlen_qkvpacked_func(qkv, cu_seqlens, max_seqlen, **options)


class FlashCrossAttention(_Flash):
    """Attention of q with k and v in one tensor."""

    def __init__(
        self,
        causal: bool = False,
        softmax_scale: float | None = None,
        attention_dropout: float = 0.0,
        alibi_slopes: Tensor | None = None,
        window_size: Any = (-1, -1),
        deterministic: bool = False,
    ) -> None:
        """See `flash_attn_kvpacked_func`; `attention_dropout` is its dropout_p in training."""
        super().__init__(
            causal, softmax_scale, attention_dropout, window_size, alibi_slopes, deterministic
        )

    def forward(
        self,
        q: Tensor,
        kv: Tensor,
        causal: bool | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        cu_seqlens_k: Tensor | None = None,
        max_seqlen_k: int | None = None,
    ) -> Any:
        """
        Args:
          q: fp32|fp16|bf16 [B, Sq, Hq, D], or packed [Tq, Hq, D] with `cu_seqlens`.
          kv: [B, Sk, 2, Hkv, D], or packed [Tk, 2, Hkv, D].
          causal: bool, or None for that of the module.
          cu_seqlens: int32 [B + 1] or None, of q; cu_seqlens_k of kv.
          max_seqlen: int, needed with `cu_seqlens`; max_seqlen_k with cu_seqlens_k.
        Returns:
          Like q.
        """
        options = self._options(causal)
        if cu_seqlens is None:
            return flash_attn_kvpacked_func(q, kv, **options)
        if max_seqlen is None or cu_seqlens_k is None or max_seqlen_k is None:
            raise InvalidArgument(
                "max_seqlen, cu_seqlens_k, max_seqlen_k: got None, expected all with cu_seqlens"
            )
        return flash_attn_varlen_kvpacked_func(
            q, kv, cu_seqlens, cu_seqlens_k, max_seqlen, max_seqlen_k, **options
        )


def _plain_attention(
    module: SelfAttention | CrossAttention,
    q: Tensor,
    kv: Tensor,
    causal: bool | None,
    key_padding_mask: Tensor | None,
) -> Tensor:
    """Attention with the whole score matrix."""
    causal = module.causal if causal is None else causal
    k, v = (x.repeat_interleave(q.shape[2] // x.shape[2], 2) for x in kv.unbind(2))
    scale = module.softmax_scale or 1.0 / math.sqrt(q.shape[-1])
    scores = torch.einsum("bihd,bjhd->bhij", q, k * scale)
    lengths: Any = k.shape[1]
    if key_padding_mask is not None:
        scores = scores + torch.where(key_padding_mask, 0.0, _MASKED).to(scores)[:, None, None]
        lengths = key_padding_mask.sum(-1)[:, None, None, None]
    if causal:
        if isinstance(module, SelfAttention):
            lengths = k.shape[1]
        row = torch.arange(q.shape[1], device=q.device)[:, None]
        column = torch.arange(k.shape[1], device=q.device)
        scores = scores.masked_fill(column > row + lengths - q.shape[1], _MASKED)
    probs = torch.softmax(scores, -1, dtype=v.dtype)
    return torch.einsum("bhij,bjhd->bihd", module.drop(probs), v)


class SelfAttention(nn.Module):
    """Attention of q, k and v in one tensor, in plain PyTorch."""

    def __init__(
        self,
        causal: bool = False,
        softmax_scale: float | None = None,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.softmax_scale = softmax_scale
        self.drop = nn.Dropout(attention_dropout)

    def forward(
        self, qkv: Tensor, causal: bool | None = None, key_padding_mask: Tensor | None = None
    ) -> Tensor:
        """
        Args:
          qkv: [B, S, 3, H, D].
          causal: bool, or None for that of the module.
          key_padding_mask: bool [B, S] or None, true for keys that are there.
        Returns:
          [B, S, H, D].
        """
        return _plain_attention(self, qkv[:, :, 0], qkv[:, :, 1:], causal, key_padding_mask)


class CrossAttention(nn.Module):
    """Attention of q with k and v in one tensor, in plain PyTorch."""

    def __init__(
        self,
        causal: bool = False,
        softmax_scale: float | None = None,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.softmax_scale = softmax_scale
        self.drop = nn.Dropout(attention_dropout)

    def forward(
        self,
        q: Tensor,
        kv: Tensor,
        causal: bool | None = None,
        key_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """
        Args:
          q: [B, Sq, Hq, D].
          kv: [B, Sk, 2, Hkv, D].
          causal: bool, or None for that of the module. Aligned with the last key that is there.
          key_padding_mask: bool [B, Sk] or None, true for keys that are there.
        Returns:
          [B, Sq, Hq, D].
        """
        return _plain_attention(self, q, kv, causal, key_padding_mask)
