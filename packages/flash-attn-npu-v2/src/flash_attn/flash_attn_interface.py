"""The attention functions of the v2 interface.

Names, parameters and defaults are those of the original package; what is added is keyword-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from . import _raw as flash_attn_gpu
from ._autograd_classes import (
    FlashAttnFunc,
    FlashAttnKVPackedFunc,
    FlashAttnQKVPackedFunc,
    FlashAttnVarlenFunc,
    FlashAttnVarlenKVPackedFunc,
    FlashAttnVarlenQKVPackedFunc,
)
from ._common.allocate import STACKED_KV, STACKED_QKV
from ._common.attention import attend, attend_dense, attend_kvcache, attend_plain_cache
from ._common.errors import InvalidArgument
from ._common.request import (
    Extras,
    Inputs,
    KvCache,
    Lengths,
    NewKeys,
    cache_lengths,
    describe,
    flag,
    integer,
    options,
    stacked,
)
from ._operators import (
    _flash_attn_backward,
    _flash_attn_forward,
    _flash_attn_varlen_backward,
    _flash_attn_varlen_forward,
    _get_block_size_n,
    _wrapped_flash_attn_backward,
    _wrapped_flash_attn_forward,
    _wrapped_flash_attn_varlen_backward,
    _wrapped_flash_attn_varlen_forward,
    maybe_contiguous,
    round_multiple,
)

# Whether kernels of another vendor replace the original's; clients and its tests ask.
USE_TRITON_ROCM = False

__all__ = [
    "FlashAttnFunc",
    "FlashAttnKVPackedFunc",
    "FlashAttnQKVPackedFunc",
    "FlashAttnVarlenFunc",
    "FlashAttnVarlenKVPackedFunc",
    "FlashAttnVarlenQKVPackedFunc",
    "USE_TRITON_ROCM",
    "_flash_attn_backward",
    "_flash_attn_forward",
    "_flash_attn_varlen_backward",
    "_flash_attn_varlen_forward",
    "_get_block_size_n",
    "_wrapped_flash_attn_backward",
    "_wrapped_flash_attn_forward",
    "_wrapped_flash_attn_varlen_backward",
    "_wrapped_flash_attn_varlen_forward",
    "flash_attn_func",
    "flash_attn_gpu",
    "flash_attn_kvpacked_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_varlen_kvpacked_func",
    "flash_attn_varlen_qkvpacked_func",
    "flash_attn_with_kvcache",
    "maybe_contiguous",
    "round_multiple",
]


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Attention of padded queries, keys and values.

    Args:
      q: [B, Sq, Hq, D], fp32|fp16|bf16; v3 also float8_e4m3fn, which gives a bf16 result. Read in
          place if the last dim has stride 1, else copied; other strides are free.
      k: [B, Skv, Hkv, D], dtype of q. Hq must be a multiple of Hkv; query head h reads key/value
          head h // (Hq / Hkv).
      v: [B, Skv, Hkv, Dv], dtype of q.
      dropout_p: float in [0, 1): probability of dropping a softmax value; the rest is scaled by 1
          / (1 - p). Drawn from torch's default CPU generator.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [B, Sq, Hq, Dv] in the dtype of q, contiguous. With `return_attn_probs` (out, lse,
      S_dmask): lse fp32 [B, Hq, Sq] is the natural log of the sum of exp(scores), differentiable;
      S_dmask is empty, or with dropout [B, Hq, R(Sq), R(Skv)] in the dtype of q, R rounding up to
      128, for tests: exp(score - row maximum), negative where dropped.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    if dropout_p == 0.0 and alibi_slopes is None and learnable_sink is None:
        # fmt: off
        result = attend_dense(
            q, k, v, causal, softmax_scale, 0, window_size, softcap, deterministic,
            return_attn_probs,
        )
        # fmt: on
        return (*result, q.new_empty(0)) if return_attn_probs else result
    return attend(
        Inputs(q, k, v),
        options(causal, softmax_scale, window_size, softcap, deterministic, dropout_p=dropout_p),
        extras=Extras(alibi_slopes, learnable_sink),
        return_lse=return_attn_probs,
    )


def flash_attn_kvpacked_func(
    q: Tensor,
    kv: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Attention of padded queries with keys and values in one tensor.

    Args:
      q: [B, Sq, Hq, D], fp32|fp16|bf16; v3 also float8_e4m3fn, which gives a bf16 result. Read in
          place if the last dim has stride 1, else copied; other strides are free.
      kv: [B, Skv, 2, Hkv, D], dtype of q: keys, then values. Its gradient is one tensor.
      dropout_p: float in [0, 1): probability of dropping a softmax value; the rest is scaled by 1
          / (1 - p). Drawn from torch's default CPU generator.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [B, Sq, Hq, Dv] in the dtype of q, contiguous. With `return_attn_probs` (out, lse,
      S_dmask): lse fp32 [B, Hq, Sq] is the natural log of the sum of exp(scores), differentiable;
      S_dmask is empty, or with dropout [B, Hq, R(Sq), R(Skv)] in the dtype of q, R rounding up to
      128, for tests: exp(score - row maximum), negative where dropped.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    return attend(
        Inputs(q, stacked("kv", kv, 2), packing=STACKED_KV),
        options(causal, softmax_scale, window_size, softcap, deterministic, dropout_p=dropout_p),
        extras=Extras(alibi_slopes, learnable_sink),
        return_lse=return_attn_probs,
    )


def flash_attn_qkvpacked_func(
    qkv: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Attention of padded queries, keys and values in one tensor.

    Args:
      qkv: [B, S, 3, H, D], fp32|fp16|bf16; v3 also float8_e4m3fn, and [B, S, Hq + 2 * Hkv, D]
          with `num_heads_q`. Its gradient is one tensor.
      dropout_p: float in [0, 1): probability of dropping a softmax value; the rest is scaled by 1
          / (1 - p). Drawn from torch's default CPU generator.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [B, Sq, Hq, Dv] in the dtype of q, contiguous. With `return_attn_probs` (out, lse,
      S_dmask): lse fp32 [B, Hq, Sq] is the natural log of the sum of exp(scores), differentiable;
      S_dmask is empty, or with dropout [B, Hq, R(Sq), R(Skv)] in the dtype of q, R rounding up to
      128, for tests: exp(score - row maximum), negative where dropped.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    return attend(
        Inputs(stacked("qkv", qkv, 3), packing=STACKED_QKV),
        options(causal, softmax_scale, window_size, softcap, deterministic, dropout_p=dropout_p),
        extras=Extras(alibi_slopes, learnable_sink),
        return_lse=return_attn_probs,
    )


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int | Tensor,
    max_seqlen_k: int | Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: Tensor | None = None,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Attention of sequences of different lengths, packed behind each other.

    Args:
      q: [Tq, Hq, D], fp32|fp16|bf16; v3 also float8_e4m3fn, which gives a bf16 result. Read in
          place if the last dim has stride 1, else copied; other strides are free.
      k: [Tk, Hkv, D], dtype of q, or pages [num_pages, page_size, Hkv, D] with `block_table`
          (v2). Hq must be a multiple of Hkv; query head h reads key/value head h // (Hq / Hkv).
      v: [Tk, Hkv, Dv], dtype of q, or pages [num_pages, page_size, Hkv, Dv] with `block_table`
          (v2).
      cu_seqlens_q: int32 [B + 1], rising: query tokens cu_seqlens_q[b] to cu_seqlens_q[b + 1] - 1
          belong to entry b. Equal neighbours are an empty sequence.
      cu_seqlens_k: int32 [B + 1], rising: the same for keys and values. With `block_table` (v2)
          only its differences count, as lengths.
      max_seqlen_q: int, at least the longest query sequence; needed with `cu_seqlens_q`.
      max_seqlen_k: int, at least the longest key sequence; needed with `cu_seqlens_k`.
      dropout_p: float in [0, 1): probability of dropping a softmax value; the rest is scaled by 1
          / (1 - p). Drawn from torch's default CPU generator.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      return_attn_probs: bool. Returns more than out, see Returns.
      block_table: int32 [B, max_pages] or None: entry i of a row is the page of tokens i *
          page_size to (i + 1) * page_size - 1. Entries past the last used page are never read. No
          backward.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [Tq, Hq, Dv] in the dtype of q, contiguous. With `return_attn_probs` (out, lse,
      S_dmask): lse fp32 [Hq, Tq] is the natural log of the sum of exp(scores), differentiable;
      S_dmask is empty, or with dropout [B, Hq, R(max_seqlen_q), R(max_seqlen_k)] in the dtype of
      q, R rounding up to 128, for tests: exp(score - row maximum), negative where dropped.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    return attend(
        Inputs(q, k, v),
        options(causal, softmax_scale, window_size, softcap, deterministic, dropout_p=dropout_p),
        _lengths(cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k),
        Extras(alibi_slopes, learnable_sink, page_table=block_table),
        return_attn_probs,
    )


def flash_attn_varlen_kvpacked_func(
    q: Tensor,
    kv: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int | Tensor,
    max_seqlen_k: int | Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Like `flash_attn_varlen_func` with keys and values in one tensor.

    Args:
      q: [Tq, Hq, D], fp32|fp16|bf16; v3 also float8_e4m3fn, which gives a bf16 result. Read in
          place if the last dim has stride 1, else copied; other strides are free.
      kv: [Tk, 2, Hkv, D], dtype of q: keys, then values. Its gradient is one tensor.
      cu_seqlens_q: int32 [B + 1], rising: query tokens cu_seqlens_q[b] to cu_seqlens_q[b + 1] - 1
          belong to entry b. Equal neighbours are an empty sequence.
      cu_seqlens_k: int32 [B + 1], rising: the same for keys and values. With `block_table` (v2)
          only its differences count, as lengths.
      max_seqlen_q: int, at least the longest query sequence; needed with `cu_seqlens_q`.
      max_seqlen_k: int, at least the longest key sequence; needed with `cu_seqlens_k`.
      dropout_p: float in [0, 1): probability of dropping a softmax value; the rest is scaled by 1
          / (1 - p). Drawn from torch's default CPU generator.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [Tq, Hq, Dv] in the dtype of q, contiguous. With `return_attn_probs` (out, lse,
      S_dmask): lse fp32 [Hq, Tq] is the natural log of the sum of exp(scores), differentiable;
      S_dmask is empty, or with dropout [B, Hq, R(max_seqlen_q), R(max_seqlen_k)] in the dtype of
      q, R rounding up to 128, for tests: exp(score - row maximum), negative where dropped.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    return attend(
        Inputs(q, stacked("kv", kv, 2), packing=STACKED_KV),
        options(causal, softmax_scale, window_size, softcap, deterministic, dropout_p=dropout_p),
        _lengths(cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k),
        Extras(alibi_slopes, learnable_sink),
        return_attn_probs,
    )


def flash_attn_varlen_qkvpacked_func(
    qkv: Tensor,
    cu_seqlens: Tensor,
    max_seqlen: int | Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Like `flash_attn_varlen_func` with queries, keys and values in one tensor.

    Args:
      qkv: [T, 3, H, D], fp32|fp16|bf16. Its gradient is one tensor.
      cu_seqlens: int32 [B + 1], rising: tokens cu_seqlens[b] to cu_seqlens[b + 1] - 1 belong to
          entry b. Equal neighbours are an empty sequence.
      max_seqlen: int, at least the longest sequence.
      dropout_p: float in [0, 1): probability of dropping a softmax value; the rest is scaled by 1
          / (1 - p). Drawn from torch's default CPU generator.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [Tq, Hq, Dv] in the dtype of q, contiguous. With `return_attn_probs` (out, lse,
      S_dmask): lse fp32 [Hq, Tq] is the natural log of the sum of exp(scores), differentiable;
      S_dmask is empty, or with dropout [B, Hq, R(max_seqlen_q), R(max_seqlen_k)] in the dtype of
      q, R rounding up to 128, for tests: exp(score - row maximum), negative where dropped.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    return attend(
        Inputs(stacked("qkv", qkv, 3), packing=STACKED_QKV),
        options(causal, softmax_scale, window_size, softcap, deterministic, dropout_p=dropout_p),
        _lengths(cu_seqlens, cu_seqlens, max_seqlen, max_seqlen),
        Extras(alibi_slopes, learnable_sink),
        return_attn_probs,
    )


def flash_attn_with_kvcache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    k: Tensor | None = None,
    v: Tensor | None = None,
    rotary_cos: Tensor | None = None,
    rotary_sin: Tensor | None = None,
    cache_seqlens: int | Tensor | None = None,
    cache_batch_idx: Tensor | None = None,
    cache_leftpad: Tensor | None = None,
    block_table: Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    softcap: float = 0.0,
    rotary_interleaved: bool = True,
    alibi_slopes: Tensor | None = None,
    num_splits: int = 0,
    return_softmax_lse: bool = False,
    *,
    learnable_sink: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
) -> Any:
    """Attention of new queries to a key/value cache, after new keys are written to it if given.

    Args:
      q: [B, Sq, Hq, D], or [Tq, Hq, D] with `cu_seqlens_q` (v3); fp32|fp16|bf16; v3 also
          float8_e4m3fn, which gives a bf16 result. Not changed by the rotary embedding.
      k_cache: [Bc, Smax, Hkv, D], or pages [num_pages, page_size, Hkv, D] with `block_table` (v2)
          or `page_table` (v3); dtype of q, or int8 with `k_descale` and `v_descale` (extension).
          Last dim with stride 1, other strides free. Any page size. Written in place if `k` is
          given.
      v_cache: [Bc, Smax, Hkv, Dv] or [num_pages, page_size, Hkv, Dv]; otherwise like `k_cache`.
      k: [B, Snew, Hkv, D], dtype of q, or [Tnew, Hkv, D] with `cu_seqlens_k_new` (v3): keys that
          are written to the cache first, at rows cache_seqlens to cache_seqlens + Snew - 1. Needs
          `v` and `cache_seqlens`.
      v: [B, Snew, Hkv, Dv] or [Tnew, Hkv, Dv]: values that are written with `k`.
      rotary_cos: [rotary_len, rotary_dim / 2], dtype of q, or None: rotates k at positions
          cache_seqlens + t, and q at cache_seqlens + i with a causal or window mask, else at
          cache_seqlens. Needs `k`.
      rotary_sin: Like `rotary_cos`, given with it.
      cache_seqlens: int32 [B], or an int for all entries, or None (the whole cache): valid keys
          before `k` is written.
      cache_batch_idx: int32 [B] or None: cache row (with pages: table row) of each entry.
      cache_leftpad: int32 [B] or None: first valid key of each entry.
      block_table: int32 [B, max_pages] or None: entry i of a row is the page of tokens i *
          page_size to (i + 1) * page_size - 1. Entries past the last used page are never read. No
          backward.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      rotary_interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i +
          rotary_dim / 2.
      alibi_slopes: fp32 [Hq] or [B, Hq] or None: adds -slope * |i + Skv - Sq - j| to the score of
          query i and key j.
      num_splits: int: parts into which the keys of a row are split for parallelism; 1 = none, 0 =
          chosen. Changes rounding only; with 1 a result does not depend on the rest of the batch.
      return_softmax_lse: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
      k_descale: fp32 [Hkv] or [B, Hkv] (by entry, not by cache row), needed with an int8 cache,
          else None; with float8_e4m3fn fp32 [B, Hkv] or None (v3): keys are what `k_cache` holds
          times this. New keys go into an int8 cache as k * (1 / k_descale), after the rotary
          embedding and rounding to the dtype of q, clamped to -127 to 127 and rounded to even; NaN
          becomes 0. Positive and finite, which is checked on the CPU.
      v_descale: Like `k_descale`, of values.
    Returns:
      out [B, Sq, Hq, Dv] in the dtype of q, contiguous. With `return_softmax_lse` (out, lse): lse
      fp32 [B, Hq, Sq] is the natural log of the sum of exp(scores).
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Has no backward. Rows that see no key give out = 0 and lse = +inf.
    Source:
      Semantics of flash_attn/flash_attn_interface.py in the original package.
    """
    no_new = k is None and v is None and rotary_cos is None and rotary_sin is None
    no_extras = alibi_slopes is None and learnable_sink is None
    no_scales = k_descale is None and v_descale is None
    simple = cache_batch_idx is None and cache_leftpad is None and type(rotary_interleaved) is bool
    if no_new and no_extras and no_scales and simple:
        # fmt: off
        result = attend_plain_cache(
            q, k_cache, v_cache, cache_seqlens, block_table, causal, softmax_scale, num_splits,
            window_size, softcap, return_softmax_lse,
        )
        # fmt: on
        if result is not None:
            return result
    lengths = cache_lengths(cache_seqlens, q, None, k_cache)
    interleaved = flag("rotary_interleaved", rotary_interleaved)
    out, lse, _, _ = attend_kvcache(
        q,
        KvCache(k_cache, v_cache, lengths, cache_batch_idx, cache_leftpad, block_table),
        NewKeys(k, v, rotary_cos, rotary_sin, None, None, interleaved),
        options(causal, softmax_scale, window_size, softcap, num_splits=num_splits),
        Extras(alibi_slopes, learnable_sink, k_descale=k_descale, v_descale=v_descale),
    )
    return (out, lse) if return_softmax_lse else out


def _lengths(cu_seqlens_q: Any, cu_seqlens_k: Any, max_seqlen_q: Any, max_seqlen_k: Any) -> Lengths:
    for name, value in (("cu_seqlens_q", cu_seqlens_q), ("cu_seqlens_k", cu_seqlens_k)):
        if not isinstance(value, Tensor):
            raise InvalidArgument(
                f"{name}: got {describe(value)}, expected an int32 tensor [B + 1]"
            )
    return Lengths(
        cu_seqlens_q,
        cu_seqlens_k,
        None,
        None,
        integer("max_seqlen_q", max_seqlen_q),
        integer("max_seqlen_k", max_seqlen_k),
    )
