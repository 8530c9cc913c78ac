"""The attention functions of the v3 interface.

Names, parameters and defaults are those of the original package; what is added is keyword-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import _low_level as _low_level  # registers torch.ops.flash_attn_3
from ._common import ops
from ._common.allocate import JOINED_HEADS, STACKED_QKV
from ._common.attention import attend, attend_dense, attend_kvcache, attend_plain_cache
from ._common.autograd import refuse_gradient, wants_grad
from ._common.errors import InvalidArgument
from ._common.request import (
    Extras,
    Inputs,
    KvCache,
    Lengths,
    NewKeys,
    cache_lengths,
    describe,
    dtype_name,
    flag,
    integer,
    max_seqlen_of,
    options,
    pack_gqa_code,
    stacked,
    tensor,
    window,
)
from ._operators import _flash_attn_backward, _flash_attn_forward

flash_attn_3_gpu = torch.ops.flash_attn_3

__all__ = [
    "_flash_attn_backward",
    "_flash_attn_forward",
    "flash_attn_3_gpu",
    "flash_attn_combine",
    "flash_attn_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_with_kvcache",
    "get_scheduler_metadata",
    "maybe_contiguous",
    "round_multiple",
]


def maybe_contiguous(x: Tensor | None) -> Tensor | None:
    """Copies a tensor whose last dimension is strided; helper of the original."""
    return x.contiguous() if x is not None and x.stride(-1) != 1 else x


def round_multiple(x: int, m: int) -> int:
    """Rounds x up to a multiple of m; helper of the original."""
    return (x + m - 1) // m * m


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    window_size: Sequence[int] | Tensor = (-1, -1),
    attention_chunk: int = 0,
    softcap: float = 0.0,
    num_splits: int = 1,
    pack_gqa: bool | None = None,
    deterministic: bool = False,
    sm_margin: int = 0,
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
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      qv: [..., Hq, Dv] like q, or None: adds qv.v to the scores (absorbed MLA).
      q_descale: fp32 [B, Hkv] or None: factor of q, only with float8_e4m3fn.
      k_descale: fp32 [B, Hkv] or None: factor of k, only with float8_e4m3fn, or [Hkv] or [B, Hkv]
          with int8 k and v (extension, without backward).
      v_descale: fp32 [B, Hkv] or None: factor of v, only with float8_e4m3fn, or [Hkv] or [B, Hkv]
          with int8 k and v (extension, without backward).
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      attention_chunk: int; above 0, query i sees only keys of its own chunk of that many
          positions (counted after bottom right alignment). 0 = off.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      num_splits: int: parts into which the keys of a row are split for parallelism; 1 = none, 0 =
          chosen. Changes rounding only; with 1 a result does not depend on the rest of the batch.
      pack_gqa: bool or None (chosen): compute the query heads of one key/value head together.
          Changes speed only.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      sm_margin: int >= 0: cores left free for other work. Changes speed only.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [B, Sq, Hq, Dv] in the dtype of q (bf16 for float8_e4m3fn), contiguous. With
      `return_attn_probs` (out, lse): lse fp32 [B, Hq, Sq] is the natural log of the sum of
      exp(scores), differentiable.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = -inf (+inf if there are no keys at all).
    Source:
      Semantics of hopper/flash_attn_interface.py in the original package.
    """
    no_extras = qv is None and q_descale is None and k_descale is None and v_descale is None
    plain = attention_chunk == 0 and pack_gqa is None and sm_margin == 0
    if no_extras and plain and learnable_sink is None:
        # fmt: off
        return attend_dense(
            q, k, v, causal, softmax_scale, num_splits, window_size, softcap, deterministic,
            return_attn_probs,
        )
        # fmt: on
    result = attend(
        Inputs(q, k, v),
        options(
            causal,
            softmax_scale,
            window_size,
            softcap,
            deterministic,
            num_splits=num_splits,
            attention_chunk=attention_chunk,
            pack_gqa=pack_gqa,
            sm_margin=sm_margin,
        ),
        extras=Extras(None, learnable_sink, qv, None, q_descale, k_descale, v_descale),
        return_lse=return_attn_probs,
    )
    return result[:2] if return_attn_probs else result


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    max_seqlen_q: int | Tensor | None,
    max_seqlen_k: int | Tensor | None,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    window_size: Sequence[int] | Tensor = (-1, -1),
    attention_chunk: int = 0,
    softcap: float = 0.0,
    num_splits: int = 1,
    pack_gqa: bool | None = None,
    deterministic: bool = False,
    sm_margin: int = 0,
    return_attn_probs: bool = False,
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
      seqused_q: int32 [B] or None: use only the first rows of each query sequence. Unused rows
          give out = 0.
      seqused_k: int32 [B] or None: use only the first keys of each sequence.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      qv: [..., Hq, Dv] like q, or None: adds qv.v to the scores (absorbed MLA).
      q_descale: fp32 [B, Hkv] or None: factor of q, only with float8_e4m3fn.
      k_descale: fp32 [B, Hkv] or None: factor of k, only with float8_e4m3fn, or [Hkv] or [B, Hkv]
          with int8 k and v (extension, without backward).
      v_descale: fp32 [B, Hkv] or None: factor of v, only with float8_e4m3fn, or [Hkv] or [B, Hkv]
          with int8 k and v (extension, without backward).
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      attention_chunk: int; above 0, query i sees only keys of its own chunk of that many
          positions (counted after bottom right alignment). 0 = off.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      num_splits: int: parts into which the keys of a row are split for parallelism; 1 = none, 0 =
          chosen. Changes rounding only; with 1 a result does not depend on the rest of the batch.
      pack_gqa: bool or None (chosen): compute the query heads of one key/value head together.
          Changes speed only.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      sm_margin: int >= 0: cores left free for other work. Changes speed only.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [Tq, Hq, Dv] in the dtype of q (bf16 for float8_e4m3fn), contiguous. With
      `return_attn_probs` (out, lse): lse fp32 [Hq, Tq] is the natural log of the sum of
      exp(scores), differentiable.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = -inf (+inf if there are no keys at all).
    Source:
      Semantics of hopper/flash_attn_interface.py in the original package.
    """
    lengths = Lengths(
        cu_seqlens_q,
        cu_seqlens_k,
        seqused_q,
        seqused_k,
        max_seqlen_of("q", max_seqlen_q, cu_seqlens_q),
        max_seqlen_of("k", max_seqlen_k, cu_seqlens_k),
    )
    result = attend(
        Inputs(q, k, v),
        options(
            causal,
            softmax_scale,
            window_size,
            softcap,
            deterministic,
            num_splits=num_splits,
            attention_chunk=attention_chunk,
            pack_gqa=pack_gqa,
            sm_margin=sm_margin,
        ),
        lengths,
        Extras(None, learnable_sink, qv, None, q_descale, k_descale, v_descale),
        return_attn_probs,
    )
    return result[:2] if return_attn_probs else result


def flash_attn_qkvpacked_func(
    qkv: Tensor,
    softmax_scale: float | None = None,
    causal: bool = False,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    window_size: Sequence[int] | Tensor = (-1, -1),
    attention_chunk: int = 0,
    softcap: float = 0.0,
    deterministic: bool = False,
    num_heads_q: int | None = None,
    sm_margin: int = 0,
    return_attn_probs: bool = False,
    *,
    learnable_sink: Tensor | None = None,
) -> Any:
    """Attention of padded queries, keys and values in one tensor.

    Args:
      qkv: [B, S, 3, H, D], fp32|fp16|bf16; v3 also float8_e4m3fn, and [B, S, Hq + 2 * Hkv, D]
          with `num_heads_q`. Its gradient is one tensor.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      q_descale: fp32 [B, Hkv] or None: factor of q, only with float8_e4m3fn.
      k_descale: fp32 [B, Hkv] or None: factor of k, only with float8_e4m3fn, or [Hkv] or [B, Hkv]
          with int8 k and v (extension, without backward).
      v_descale: fp32 [B, Hkv] or None: factor of v, only with float8_e4m3fn, or [Hkv] or [B, Hkv]
          with int8 k and v (extension, without backward).
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      attention_chunk: int; above 0, query i sees only keys of its own chunk of that many
          positions (counted after bottom right alignment). 0 = off.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      deterministic: bool. The backward gives the same bits whatever the number of threads. The
          forward always does.
      num_heads_q: int, query heads of a 4-D `qkv`; None for a 5-D one.
      sm_margin: int >= 0: cores left free for other work. Changes speed only.
      return_attn_probs: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [B, Sq, Hq, Dv] in the dtype of q (bf16 for float8_e4m3fn), contiguous. With
      `return_attn_probs` (out, lse): lse fp32 [B, Hq, Sq] is the natural log of the sum of
      exp(scores), differentiable.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Rows that see no key give out = 0 and lse = -inf (+inf if there are no keys at all).
    Source:
      Semantics of hopper/flash_attn_interface.py in the original package.
    """
    result = attend(
        _qkv_inputs(qkv, num_heads_q),
        options(
            causal,
            softmax_scale,
            window_size,
            softcap,
            deterministic,
            attention_chunk=attention_chunk,
            sm_margin=sm_margin,
        ),
        extras=Extras(None, learnable_sink, None, None, q_descale, k_descale, v_descale),
        return_lse=return_attn_probs,
    )
    return result[:2] if return_attn_probs else result


def flash_attn_with_kvcache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    k: Tensor | None = None,
    v: Tensor | None = None,
    qv: Tensor | None = None,
    rotary_cos: Tensor | None = None,
    rotary_sin: Tensor | None = None,
    cache_seqlens: int | Tensor | None = None,
    cache_batch_idx: Tensor | None = None,
    cache_leftpad: Tensor | None = None,
    page_table: Tensor | None = None,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k_new: Tensor | None = None,
    max_seqlen_q: int | Tensor | None = None,
    rotary_seqlens: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    attention_chunk: int = 0,
    softcap: float = 0.0,
    rotary_interleaved: bool = True,
    scheduler_metadata: Tensor | None = None,
    num_splits: int = 0,
    pack_gqa: bool | None = None,
    sm_margin: int = 0,
    return_softmax_lse: bool = False,
    *,
    learnable_sink: Tensor | None = None,
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
      qv: [..., Hq, Dv] like q, or None: adds qv.v to the scores (absorbed MLA).
      rotary_cos: [rotary_len, rotary_dim / 2], dtype of q, or None: rotates k at positions
          cache_seqlens + t, and q at cache_seqlens + i with a causal or window mask, else at
          cache_seqlens. Needs `k`.
      rotary_sin: Like `rotary_cos`, given with it.
      cache_seqlens: int32 [B], or an int for all entries, or None (the whole cache): valid keys
          before `k` is written.
      cache_batch_idx: int32 [B] or None: cache row (with pages: table row) of each entry.
      cache_leftpad: int32 [B] or None: first valid key of each entry.
      page_table: int32 [B, max_pages] or None: entry i of a row is the page of tokens i *
          page_size to (i + 1) * page_size - 1. Entries past the last used page are never read. No
          backward.
      cu_seqlens_q: int32 [B + 1], rising: query tokens cu_seqlens_q[b] to cu_seqlens_q[b + 1] - 1
          belong to entry b. Equal neighbours are an empty sequence.
      cu_seqlens_k_new: int32 [B + 1] or None: where the new keys of each entry begin in `k`.
      max_seqlen_q: int, at least the longest query sequence; needed with `cu_seqlens_q`.
      rotary_seqlens: int32 [B] or None: rotary positions start there instead of at cache_seqlens.
      q_descale: fp32 [B, Hkv] or None: factor of q, only with float8_e4m3fn.
      k_descale: fp32 [Hkv] or [B, Hkv] (by entry, not by cache row), needed with an int8 cache,
          else None; with float8_e4m3fn fp32 [B, Hkv] or None (v3): keys are what `k_cache` holds
          times this. New keys go into an int8 cache as k * (1 / k_descale), after the rotary
          embedding and rounding to the dtype of q, clamped to -127 to 127 and rounded to even; NaN
          becomes 0. Positive and finite, which is checked on the CPU.
      v_descale: Like `k_descale`, of values.
      softmax_scale: float, factor on q.k; default D**-0.5, with `qv` (D + Dv)**-0.5.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      attention_chunk: int; above 0, query i sees only keys of its own chunk of that many
          positions (counted after bottom right alignment). 0 = off.
      softcap: float; above 0, scores become softcap * tanh(scores / softcap) before masking.
      rotary_interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i +
          rotary_dim / 2.
      scheduler_metadata: int32 tensor of `get_scheduler_metadata` for a call of the same sizes,
          or None. Changes speed only.
      num_splits: int: parts into which the keys of a row are split for parallelism; 1 = none, 0 =
          chosen. Changes rounding only; with 1 a result does not depend on the rest of the batch.
      pack_gqa: bool or None (chosen): compute the query heads of one key/value head together.
          Changes speed only.
      sm_margin: int >= 0: cores left free for other work. Changes speed only.
      return_softmax_lse: bool. Returns more than out, see Returns.
      learnable_sink: fp32|fp16|bf16 [Hq] or None: one more score per head that takes part in the
          softmax but has no value. Extension, differentiable.
    Returns:
      out [B, Sq, Hq, Dv] or [Tq, Hq, Dv] in the dtype of q (bf16 for float8_e4m3fn), contiguous.
      With `return_softmax_lse` (out, lse, out_accum, lse_accum): lse fp32 [B, Hq, Sq] or [Hq, Tq]
      is the natural log of the sum of exp(scores); the other two are empty, or with `num_splits`
      above 1 the results of each split, fp32 [num_splits, B, Hq, Sq, Dv] and [num_splits, B, Hq,
      Sq] (packed [num_splits, Hq, Tq, Dv] and [num_splits, Hq, Tq]).
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Has no backward. Rows that see no key give out = 0 and lse = -inf (+inf if there are no keys
      at all).
    Source:
      Semantics of hopper/flash_attn_interface.py in the original package.
    """
    # All of them None; the quickest way to say so.
    # fmt: off
    no_new = k is v is rotary_cos is rotary_sin is rotary_seqlens is cu_seqlens_k_new is None
    no_extras = (
        qv is cache_batch_idx is cache_leftpad is cu_seqlens_q is max_seqlen_q is q_descale
        is k_descale is v_descale is scheduler_metadata is learnable_sink is None
    )
    integers = type(attention_chunk) is type(sm_margin) is int
    simple = integers and attention_chunk == sm_margin == 0 and type(rotary_interleaved) is bool
    if no_new and no_extras and simple and pack_gqa is None and return_softmax_lse is False:
        result = attend_plain_cache(
            q, k_cache, v_cache, cache_seqlens, page_table, causal, softmax_scale, num_splits,
            window_size, softcap, False,
        )
        if result is not None:
            return result
    # fmt: on
    lengths = cache_lengths(cache_seqlens, q, cu_seqlens_q, k_cache)
    max_q = max_seqlen_of("q", max_seqlen_q, cu_seqlens_q)
    interleaved = flag("rotary_interleaved", rotary_interleaved)
    # fmt: off
    results = attend_kvcache(
        q,
        KvCache(
            k_cache, v_cache, lengths, cache_batch_idx, cache_leftpad, page_table,
            cu_seqlens_q, scheduler_metadata, max_q,
        ),
        NewKeys(k, v, rotary_cos, rotary_sin, rotary_seqlens, cu_seqlens_k_new, interleaved),
        options(
            causal, softmax_scale, window_size, softcap, num_splits=num_splits,
            attention_chunk=attention_chunk, pack_gqa=pack_gqa, sm_margin=sm_margin,
        ),
        Extras(None, learnable_sink, qv, None, q_descale, k_descale, v_descale),
        bool(return_softmax_lse),
    )
    # fmt: on
    return results if return_softmax_lse else results[0]


def flash_attn_combine(
    out_partial: Tensor,
    lse_partial: Tensor,
    out: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Merges attention over parts of the keys into attention over all of them.

    Args:
      out_partial: fp32 [num_splits, B, S, H, Dv].
      lse_partial: fp32 [num_splits, B, S, H], any strides.
      out: [B, S, H, Dv] to write to, or None. Last dim with stride 1.
      out_dtype: fp32|fp16|bf16 of the result, default that of `out`, else fp32.
    Returns:
      (out [B, S, H, Dv], lse fp32 [B, S, H], a transposed view of [B, H, S]).
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      Has no backward. Rows whose parts are all empty give out = 0 and lse = -inf.
    Source:
      Semantics of hopper/flash_attn_interface.py in the original package.
    """
    tensor("out_partial", out_partial)
    tensor("lse_partial", lse_partial)
    if out is None:
        dtype = torch.float32 if out_dtype is None else out_dtype
        out = out_partial.new_empty(out_partial.shape[1:], dtype=dtype)
    elif tensor("out", out).dtype != (out_dtype or out.dtype):
        raise InvalidArgument(f"out: got dtype {out.dtype}, expected {out_dtype} (out_dtype)")
    grad = wants_grad(out_partial, lse_partial)
    with torch.no_grad():
        lse = ops.combine(out_partial, lse_partial, out).transpose(1, 2)
    if grad:
        reason = "flash_attn_combine: got a backward, supported is the forward only"
        out, lse = refuse_gradient(reason, (out, lse), out_partial, lse_partial)
    return out, lse


def get_scheduler_metadata(
    batch_size: int,
    max_seqlen_q: int,
    max_seqlen_k: int,
    num_heads_q: int,
    num_heads_kv: int,
    headdim: int,
    cache_seqlens: Tensor,
    qkv_dtype: torch.dtype = torch.bfloat16,
    headdim_v: int | None = None,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k_new: Tensor | None = None,
    cache_leftpad: Tensor | None = None,
    page_size: int | None = None,
    max_seqlen_k_new: int = 0,
    causal: bool = False,
    window_size: Sequence[int] | Tensor = (-1, -1),
    attention_chunk: int = 0,
    has_softcap: bool = False,
    num_splits: int = 0,
    pack_gqa: bool | None = None,
    sm_margin: int = 0,
) -> Tensor:
    """Plans calls of `flash_attn_with_kvcache` once, for use with many calls of the same sizes.

    Args:
      batch_size: int, entries of the batch.
      max_seqlen_q: int, longest query sequence.
      max_seqlen_k: int, most keys of an entry before new ones are written.
      num_heads_q: int, query heads.
      num_heads_kv: int, key/value heads.
      headdim: int, head dim of q and k.
      cache_seqlens: int32 [B]. Its device is that of the result; its values are not read.
      qkv_dtype: torch.dtype of q, k, v.
      headdim_v: int, head dim of v; default `headdim`.
      cu_seqlens_q: int32 [B + 1] or None, as in the call. Values are not read.
      cu_seqlens_k_new: int32 [B + 1] or None, as in the call. Values are not read.
      cache_leftpad: int32 [B] or None, as in the call. Values are not read.
      page_size: int, tokens of a page, or None without pages.
      max_seqlen_k_new: int >= 0, most new keys of an entry, on top of `max_seqlen_k`.
      causal: bool. Query i sees keys up to i + Skv - Sq (bottom right alignment). Replaces the
          right side of `window_size`.
      window_size: (left, right): query i sees keys i + Skv - Sq - left to i + Skv - Sq + right,
          both included. A negative value leaves that side open.
      attention_chunk: int; above 0, query i sees only keys of its own chunk of that many
          positions (counted after bottom right alignment). 0 = off.
      has_softcap: bool, whether the call has a softcap.
      num_splits: int: parts into which the keys of a row are split for parallelism; 1 = none, 0 =
          chosen. Changes rounding only; with 1 a result does not depend on the rest of the batch.
      pack_gqa: bool or None (chosen): compute the query heads of one key/value head together.
          Changes speed only.
      sm_margin: int >= 0: cores left free for other work. Changes speed only.
    Returns:
      int32 1-D tensor on the device of `cache_seqlens`, for the parameter `scheduler_metadata`.
    Raises:
      InvalidArgument: shapes, dtypes, devices, strides or values do not fit, found before
          anything is written. The message says what was passed and what is allowed.
      NotSupported: the call is meaningful, but no backend takes it; the message has the reason.
      BackendUnavailable: the tensors are on a device that this build cannot use.
    Notes:
      A plan depends on sizes only, so it stays valid while the values of lengths change.
    Source:
      Semantics of hopper/flash_attn_interface.py in the original package.
    """
    _check_metadata_inputs(batch_size, cache_seqlens, cu_seqlens_q, cu_seqlens_k_new, cache_leftpad)
    new_keys = integer("max_seqlen_k_new", max_seqlen_k_new)
    if new_keys < 0:
        raise InvalidArgument(f"max_seqlen_k_new: got {new_keys}, expected a value >= 0")
    if page_size is not None and integer("page_size", page_size) < 1:
        raise InvalidArgument(f"page_size: got {page_size}, expected None or at least 1")
    left, right = window(window_size)
    # fmt: off
    metadata: Tensor = ops.scheduler_metadata(
        cache_seqlens, dtype_name("qkv_dtype", qkv_dtype), integer("batch_size", batch_size),
        integer("max_seqlen_q", max_seqlen_q), integer("max_seqlen_k", max_seqlen_k) + new_keys,
        integer("num_heads_q", num_heads_q), integer("num_heads_kv", num_heads_kv),
        integer("headdim", headdim),
        integer("headdim_v", headdim if headdim_v is None else headdim_v),
        0 if page_size is None else integer("page_size", page_size),
        flag("causal", causal), left, right, integer("attention_chunk", attention_chunk),
        flag("has_softcap", has_softcap), integer("num_splits", num_splits),
        pack_gqa_code(pack_gqa), integer("sm_margin", sm_margin),
    )
    # fmt: on
    return metadata


def _qkv_inputs(qkv: Any, num_heads_q: Any) -> Inputs:
    if tensor("qkv", qkv).dim() != 4:
        inputs = Inputs(stacked("qkv", qkv, 3), packing=STACKED_QKV)
        if num_heads_q is not None and integer("num_heads_q", num_heads_q) != qkv.shape[-2]:
            raise InvalidArgument(
                f"num_heads_q: got {num_heads_q}, expected None or {qkv.shape[-2]} "
                f"with qkv of shape {list(qkv.shape)}"
            )
        return inputs
    if num_heads_q is None:
        raise InvalidArgument(
            f"num_heads_q: got None, expected an integer with qkv of shape {list(qkv.shape)}"
        )
    q_heads, heads = integer("num_heads_q", num_heads_q), qkv.shape[2]
    if q_heads < 1 or q_heads >= heads or (heads - q_heads) % 2 != 0:
        raise InvalidArgument(
            f"num_heads_q: got {q_heads} of {heads} heads in qkv, expected to leave an even number "
            "for keys and values"
        )
    return Inputs(qkv, packing=JOINED_HEADS, q_heads=q_heads)


def _check_metadata_inputs(
    batch_size: int,
    cache_seqlens: Tensor,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k_new: Tensor | None,
    cache_leftpad: Tensor | None,
) -> None:
    """The plan needs none of the values, but a tensor that does not fit hints at a mistake."""
    batch = integer("batch_size", batch_size)
    # fmt: off
    for name, value, length in (
        ("cache_seqlens", cache_seqlens, batch),
        ("cu_seqlens_q", cu_seqlens_q, batch + 1),
        ("cu_seqlens_k_new", cu_seqlens_k_new, batch + 1),
        ("cache_leftpad", cache_leftpad, batch),
    ):
        # fmt: on
        if value is None and name != "cache_seqlens":
            continue
        given = tensor(name, value)
        if given.dtype != torch.int32 or list(given.shape) != [length]:
            raise InvalidArgument(f"{name}: got {describe(given)}, expected int32 [{length}]")
        if given.device != cache_seqlens.device:
            raise InvalidArgument(
                f"{name}: got a tensor on {given.device}, expected {cache_seqlens.device} "
                "(the device of cache_seqlens)"
            )
