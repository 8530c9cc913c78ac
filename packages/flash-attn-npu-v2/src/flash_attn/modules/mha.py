"""Multi-head attention with its projections, rotary embedding and key/value cache."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from flash_attn._common.errors import InvalidArgument, NotSupported
from flash_attn.flash_attn_interface import flash_attn_with_kvcache
from flash_attn.layers.rotary import RotaryEmbedding
from flash_attn.modules.attention import (
    CrossAttention,
    FlashCrossAttention,
    FlashSelfAttention,
    SelfAttention,
    get_alibi_slopes,
)

__all__ = [
    "CrossAttention",
    "FlashCrossAttention",
    "FlashSelfAttention",
    "MHA",
    "ParallelMHA",
    "SelfAttention",
    "get_alibi_slopes",
]


def _update_kv_cache(kv: Tensor, inference_params: Any, layer_idx: int) -> Tensor:
    """Writes kv [B, S, 2, Hkv, D] behind what the cache of a layer holds.

    Returns:
      [B, tokens that are there now, 2, Hkv, D], a view of the cache.
    """
    caches = inference_params.key_value_memory_dict
    if layer_idx not in caches:
        shape = inference_params.max_batch_size, inference_params.max_seqlen, *kv.shape[2:]
        caches[layer_idx] = kv.new_empty(shape)
    cache: Tensor = caches[layer_idx]
    first, begin = inference_params.batch_size_offset, inference_params.seqlen_offset
    last, end = first + kv.shape[0], begin + kv.shape[1]
    if last > cache.shape[0] or end > cache.shape[1]:
        raise InvalidArgument(
            f"inference_params: got a cache of {cache.shape[0]} entries with {cache.shape[1]} "
            f"tokens, expected at least {last} and {end}"
        )
    cache[first:last, begin:end] = kv
    return cache[first:last, :end]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidArgument(message)


class MHA(nn.Module):
    """Projections, attention, projection; self or cross attention.

    With `use_flash_attn` by our kernels, else in plain PyTorch. With `inference_params` keys and
    values are kept in a cache; one call for the prompt, then one for each further token.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_heads_kv: int | None = None,
        cross_attn: bool = False,
        qkv_proj_bias: bool = True,
        out_proj_bias: bool = True,
        dropout: float = 0.0,
        softmax_scale: float | None = None,
        causal: bool = False,
        layer_idx: int | None = None,
        dwconv: bool = False,
        rotary_emb_dim: int = 0,
        rotary_emb_base: float = 10000.0,
        rotary_emb_scale_base: float | None = None,
        rotary_emb_interleaved: bool = False,
        use_alibi: bool = False,
        window_size: Any = (-1, -1),
        fused_bias_fc: bool = False,
        use_flash_attn: bool = False,
        return_residual: bool = False,
        checkpointing: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """
        Args:
          embed_dim: int, features of a token; a multiple of num_heads.
          num_heads: int. num_heads_kv: int, fewer heads of keys and values; default num_heads.
          cross_attn: bool. Keys and values come from another input.
          qkv_proj_bias, out_proj_bias: bool.
          dropout: float, of attention, in training.
          softmax_scale: float or None for D**-0.5.
          causal: bool.
          layer_idx: int, name of the cache; needed for generation.
          dwconv: bool. A convolution over 3 tokens follows the projections.
          rotary_emb_dim: int, rotated dims of a head; 0 for none.
          rotary_emb_base, rotary_emb_scale_base, rotary_emb_interleaved: as for `RotaryEmbedding`.
          use_alibi, window_size: of attention, with use_flash_attn only.
          fused_bias_fc: must be False; True needs a CUDA extension of the original.
          use_flash_attn: bool. Attention by our kernels.
          return_residual: bool. Returns x, too.
          checkpointing: bool. Attention is computed again in the backward.
        """
        super().__init__()
        if fused_bias_fc:
            raise ImportError("fused_bias_fc: True needs fused_dense_lib, which is for CUDA only")
        flash_only = use_alibi or tuple(window_size) != (-1, -1)
        _require(use_flash_attn or not flash_only, "use_alibi, window_size: need use_flash_attn")
        _require(not (cross_attn and rotary_emb_dim > 0), "rotary_emb_dim: expected 0 (cross_attn)")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.num_heads_kv = num_heads if num_heads_kv is None else num_heads_kv
        _require(
            embed_dim % num_heads == 0 and num_heads % self.num_heads_kv == 0,
            f"num_heads: got {num_heads} with embed_dim={embed_dim} and "
            f"num_heads_kv={self.num_heads_kv}, expected a divisor and a multiple of them",
        )
        self.head_dim = embed_dim // num_heads
        self.cross_attn, self.causal, self.layer_idx = cross_attn, causal, layer_idx
        self.dwconv, self.rotary_emb_dim = dwconv, rotary_emb_dim
        self.use_flash_attn, self.return_residual = use_flash_attn, return_residual
        self.checkpointing = checkpointing
        if rotary_emb_dim > 0:
            self.rotary_emb = RotaryEmbedding(
                rotary_emb_dim,
                rotary_emb_base,
                rotary_emb_interleaved,
                rotary_emb_scale_base,
                device,
            )
        self._make_projections(qkv_proj_bias, out_proj_bias, {"device": device, "dtype": dtype})
        inner: Any = (SelfAttention, CrossAttention)
        if use_flash_attn:
            slopes = torch.tensor(get_alibi_slopes(num_heads), device=device) if use_alibi else None
            flash = (FlashSelfAttention, FlashCrossAttention)
            inner = [partial(c, alibi_slopes=slopes, window_size=window_size) for c in flash]
        self.inner_attn, self.inner_cross_attn = (
            make(causal=causal, softmax_scale=softmax_scale, attention_dropout=dropout)
            for make in inner
        )

    def _make_projections(
        self, qkv_proj_bias: bool, out_proj_bias: bool, factory: dict[str, Any]
    ) -> None:
        width, kv_width = self.embed_dim, 2 * self.head_dim * self.num_heads_kv
        if self.cross_attn:
            self.Wq = nn.Linear(width, width, bias=qkv_proj_bias, **factory)
            self.Wkv = nn.Linear(width, kv_width, bias=qkv_proj_bias, **factory)
        else:
            self.Wqkv = nn.Linear(width, width + kv_width, bias=qkv_proj_bias, **factory)
        if self.dwconv:
            conv: Any = partial(nn.Conv1d, kernel_size=3, padding=2, **factory)
            if self._joined:
                joined = width + kv_width
                self.dwconv_qkv = conv(joined, joined, groups=joined)
            else:
                self.dwconv_q = conv(width, width, groups=width)
                self.dwconv_kv = conv(kv_width, kv_width, groups=kv_width)
        self.out_proj = nn.Linear(width, width, bias=out_proj_bias, **factory)

    @property
    def _joined(self) -> bool:
        """Whether q, k and v are one tensor [..., 3, H, D]."""
        return not self.cross_attn and self.num_heads_kv == self.num_heads

    def allocate_inference_cache(
        self, batch_size: int, max_seqlen: int, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Returns room for keys and values, [batch_size, max_seqlen, 2, Hkv, D]."""
        weight = self.out_proj.weight
        return torch.empty(
            (batch_size, max_seqlen, 2, self.num_heads_kv, self.head_dim),
            dtype=weight.dtype if dtype is None else dtype,
            device=weight.device,
        )

    def _update_kv_cache(self, kv: Tensor, inference_params: Any) -> Tensor:
        if self.layer_idx is None:
            raise InvalidArgument("layer_idx: got None, expected an int for generation")
        return _update_kv_cache(kv, inference_params, self.layer_idx)

    def _attend_to_cache(self, q: Tensor, kv: Tensor, params: Any, rotate: bool) -> Any:
        """Rotation (if asked for), append and attention in one call."""
        cos = sin = None
        interleaved = False
        if rotate:
            if self.rotary_emb.scale is not None:
                raise NotSupported("rotary_emb_scale_base: got xPos, supported is None in decoding")
            self.rotary_emb._update_cos_sin_cache(params.max_seqlen, q.device, q.dtype)
            cos, sin = self.rotary_emb._cos_cached, self.rotary_emb._sin_cached
            interleaved = self.rotary_emb.interleaved
        cache = params.key_value_memory_dict[self.layer_idx][: q.shape[0]]
        k_cache, v_cache = cache.unbind(2)
        k, v = kv.unbind(2)
        lengths = params.lengths_per_sample
        attention: Any = self.inner_cross_attn
        return flash_attn_with_kvcache(
            q,
            k_cache,
            v_cache,
            k,
            v,
            rotary_cos=cos,
            rotary_sin=sin,
            cache_seqlens=params.seqlen_offset if lengths is None else lengths[: q.shape[0]],
            softmax_scale=attention.softmax_scale,
            causal=attention.causal,
            window_size=attention.window_size,
            rotary_interleaved=interleaved,
            alibi_slopes=attention.alibi_slopes,
        )

    def _apply_rotary_update_kvcache_attention(
        self, q: Tensor, kv: Tensor, inference_params: Any
    ) -> Any:
        return self._attend_to_cache(q, kv, inference_params, rotate=self.rotary_emb_dim > 0)

    def _update_kvcache_attention(self, q: Tensor, kv: Tensor, inference_params: Any) -> Any:
        if inference_params.seqlen_offset == 0 or not self.use_flash_attn:
            return self.inner_cross_attn(q, self._update_kv_cache(kv, inference_params))
        return self._attend_to_cache(q, kv, inference_params, rotate=False)

    def _convolved(self, conv: nn.Conv1d, x: Tensor) -> Tensor:
        # Padding of 2 on both sides, of which the right one is cut: a token sees the two before.
        result: Tensor = conv(x.transpose(1, 2))[..., :-2].transpose(1, 2)
        return result.contiguous()

    def _project(
        self, x: Tensor, x_kv: Tensor | None, mixer_subset: Any
    ) -> tuple[Tensor, Tensor | None]:
        """(qkv, None), or (q, kv)."""
        if self._joined:
            qkv = self.Wqkv(x)
            qkv = self._convolved(self.dwconv_qkv, qkv) if self.dwconv else qkv
            return qkv.unflatten(-1, (3, self.num_heads, self.head_dim)), None
        if self.cross_attn:
            q = self.Wq(x if mixer_subset is None else x[:, mixer_subset])
            kv = self.Wkv(x if x_kv is None else x_kv)
        else:
            q, kv = self.Wqkv(x).split(
                [self.embed_dim, 2 * self.num_heads_kv * self.head_dim], dim=-1
            )
        if self.dwconv:
            q, kv = self._convolved(self.dwconv_q, q), self._convolved(self.dwconv_kv, kv)
        return (
            q.unflatten(-1, (self.num_heads, self.head_dim)),
            kv.unflatten(-1, (2, self.num_heads_kv, self.head_dim)),
        )

    def forward(
        self,
        x: Tensor,
        x_kv: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        mixer_subset: Any = None,
        inference_params: Any = None,
        **kwargs: Any,
    ) -> Any:
        """
        Args:
          x: [B, S, embed_dim], or packed [T, embed_dim] with `cu_seqlens`.
          x_kv: [B, Sk, embed_dim] or None, for cross attention; default x.
          key_padding_mask: bool [B, S] or None, true for tokens; without use_flash_attn only.
          cu_seqlens: int32 [B + 1] or None; with use_flash_attn only, without rotary embedding.
          max_seqlen: int, needed with `cu_seqlens`.
          mixer_subset: index of tokens of x that get queries, for cross attention.
          inference_params: `utils.generation.InferenceParams` or None.
          kwargs: to the inner attention.
        Returns:
          Like x, or (that, x) with `return_residual`.
        """
        self._check_call(x_kv, key_padding_mask, cu_seqlens, mixer_subset, inference_params)
        if self.use_flash_attn:
            kwargs = {"cu_seqlens": cu_seqlens, "max_seqlen": max_seqlen, **kwargs}
        else:
            kwargs = {"key_padding_mask": key_padding_mask, **kwargs}
        q, kv = self._project(x, x_kv, mixer_subset)
        decoding = inference_params is not None and inference_params.seqlen_offset > 0
        if decoding and self.use_flash_attn and self.rotary_emb_dim % 16 == 0 < self.rotary_emb_dim:
            q, kv = (q[:, :, 0], q[:, :, 1:]) if kv is None else (q, kv)
            context = self._apply_rotary_update_kvcache_attention(q, kv, inference_params)
        else:
            q, kv = self._rotate(q, kv, inference_params)
            context = self._attend(q, kv, inference_params, kwargs)
        out = self.out_proj(context.flatten(-2))
        return (out, x) if self.return_residual else out

    def _rotate(self, q: Tensor, kv: Tensor | None, params: Any) -> tuple[Tensor, Tensor | None]:
        if self.rotary_emb_dim == 0:
            return q, kv
        offset, longest = 0, None
        if params is not None:
            lengths = params.lengths_per_sample
            offset = params.seqlen_offset if lengths is None else lengths[: q.shape[0]]
            longest = params.max_seqlen
        if kv is None:
            return self.rotary_emb(q, seqlen_offset=offset, max_seqlen=longest), None
        rotated: tuple[Tensor, Tensor] = self.rotary_emb(
            q, kv, seqlen_offset=offset, max_seqlen=longest
        )
        return rotated

    def _attend(self, q: Tensor, kv: Tensor | None, params: Any, kwargs: dict[str, Any]) -> Any:
        if params is not None:
            q, kv = (q[:, :, 0], q[:, :, 1:]) if kv is None else (q, kv)
            return self._update_kvcache_attention(q, kv, params)
        inner = self.inner_attn if kv is None else self.inner_cross_attn
        tensors = (q,) if kv is None else (q, kv)
        if kv is not None and kwargs.get("cu_seqlens") is not None and not self.cross_attn:
            bounds = {"cu_seqlens_k": kwargs["cu_seqlens"], "max_seqlen_k": kwargs["max_seqlen"]}
            kwargs = bounds | kwargs
        if self.checkpointing:
            return torch.utils.checkpoint.checkpoint(inner, *tensors, use_reentrant=False, **kwargs)
        return inner(*tensors, **kwargs)

    def _check_call(
        self,
        x_kv: Tensor | None,
        key_padding_mask: Tensor | None,
        cu_seqlens: Tensor | None,
        mixer_subset: Any,
        inference_params: Any,
    ) -> None:
        if not self.cross_attn:
            _require(x_kv is None and mixer_subset is None, "x_kv, mixer_subset: need cross_attn")
        if cu_seqlens is not None:
            _require(
                self.use_flash_attn and not self.dwconv and self.rotary_emb_dim == 0,
                "cu_seqlens: needs use_flash_attn, without dwconv and rotary embedding",
            )
        if key_padding_mask is not None:
            _require(not self.use_flash_attn, "key_padding_mask: needs use_flash_attn=False")
        if inference_params is not None:
            _require(
                key_padding_mask is None and cu_seqlens is None and not self.dwconv,
                "inference_params: got it with key_padding_mask, cu_seqlens or dwconv, expected "
                "it without them",
            )


class ParallelMHA(nn.Module):
    """`MHA` over a process group, which needs parallel linear layers of a CUDA extension."""

    def __init__(
        self,
        embed_dim: int,  # noqa: ARG002
        num_heads: int,  # noqa: ARG002
        process_group: Any,  # noqa: ARG002
        *_: Any,
        **__: Any,
    ) -> None:
        super().__init__()
        raise ImportError("ParallelMHA needs fused_dense_lib, which is for CUDA only")
