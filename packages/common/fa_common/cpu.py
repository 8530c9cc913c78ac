"""CPU implementations of the operators: allocate outputs, then one call of the native core.

The core takes its arguments by position, in the order of `_C.pyi`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .allocate import (
    attention_outputs,
    combined_lse,
    dropout_probs,
    extra_gradients,
    input_gradients,
    like_q,
    softmax_d,
    split_partials,
)
from .errors import InvalidArgument
from .request import last_dim_contiguous
from .schemas import DEFAULT_SPLITS
from .wheel import API, native

_native_forward = native.forward
_FLOAT32 = torch.float32
_threads = torch.get_num_threads


def _workspace(nbytes: int) -> Tensor:
    return torch.empty(nbytes, dtype=torch.uint8, device="cpu")


def _default_scale(q: Tensor, qv: Tensor | None = None) -> float:
    width = q.shape[-1]
    if qv is not None and qv.shape:
        width += qv.shape[-1]
    # A head dim of 0 is refused by the core, with its message.
    return float(width**-0.5) if width > 0 else 1.0


def _call(function: Callable[..., None], arguments: tuple[Any, ...], *written: Tensor) -> None:
    """Calls the core, a second time if it refused strides that a copy can change.

    It reads last dims of stride 1 only. Looking at all strides before each call would cost more
    than this rare detour, and it refuses before it writes. What is `written` is never copied.
    """
    try:
        function(*arguments)
        return
    except InvalidArgument as error:
        refusal = error
    copies = [
        last_dim_contiguous(x) if isinstance(x, Tensor) and all(x is not y for y in written) else x
        for x in arguments
    ]
    if all(a is b for a, b in zip(copies, arguments, strict=True)):
        raise refusal
    function(*copies)


def increment_version(tensor: Tensor) -> None:
    """Tells autograd of a write, so that a graph that saved the tensor refuses to use it."""
    if not tensor.is_inference():
        torch.autograd.graph.increment_version(tensor)


def forward_dense(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool = False,
    softmax_scale: float | None = None,
    num_splits: int = DEFAULT_SPLITS,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    deterministic: bool = False,  # noqa: ARG001, for the gradient
) -> tuple[Tensor, Tensor]:
    """Attention of padded q, k, v: the short cut of `attend` for plain calls."""
    try:
        # Made for inputs that fit together; looking at them first would cost 2 us per call. The
        # core refuses all others before it writes, also outputs that are not what it expects.
        batch, tokens, heads, head_dim = q.shape
        out = like_q(q)
        lse = q.new_empty((batch, heads, tokens), dtype=_FLOAT32)
        scale = head_dim**-0.5 if softmax_scale is None else softmax_scale
        # fmt: off
        _native_forward(
            q, k, v, None, out, lse, None, None,  # qv, probs, rng_state
            None, None, None, None,  # cu_seqlens, seqused
            None, None, None,  # leftpad, kv_batch_idx, page_table
            None, None, None, None, None,  # alibi_slopes, learnable_sink, descales
            None, None, None, None, None, None,  # new keys, rotary
            None, None, None,  # scheduler_metadata, partials
            scale, causal, window_left, window_right, 0, softcap, 0.0,
            -1, -1, False, num_splits, -1, 0, API, _threads(), _workspace,
        )
        # fmt: on
        return out, lse
    except (ValueError, ZeroDivisionError):  # InvalidArgument is a ValueError
        pass
    options = causal, softmax_scale, num_splits, window_left, window_right, softcap
    out, lse, _ = attend(q, k, v, None, None, -1, -1, *options)
    return out, lse


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k: Tensor | None = None,
    max_seqlen_q: int = -1,
    max_seqlen_k: int = -1,
    causal: bool = False,
    softmax_scale: float | None = None,
    num_splits: int = DEFAULT_SPLITS,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    learnable_sink: Tensor | None = None,
    qv: Tensor | None = None,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    page_table: Tensor | None = None,
    dropout_p: float = 0.0,
    rng_state: Tensor | None = None,
    return_probs: bool = False,
    attention_chunk: int = 0,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    pack_gqa: int = -1,
    sm_margin: int = 0,
    deterministic: bool = False,  # noqa: ARG001, for the gradient
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Attention of padded or packed q, k, v (also of pages), with every option: out, lse, probs."""
    out, lse = attention_outputs(q, v, cu_seqlens_q is not None)
    probs = None
    if return_probs:
        probs = dropout_probs(q, k, cu_seqlens_q, max_seqlen_q, max_seqlen_k)
    if softmax_scale is None:
        softmax_scale = _default_scale(q, qv)
    # fmt: off
    _call(_native_forward, (
        q, k, v, qv, out, lse, probs, rng_state,
        cu_seqlens_q, cu_seqlens_k, seqused_q, seqused_k,
        None, None, page_table,  # leftpad, kv_batch_idx
        alibi_slopes, learnable_sink, q_descale, k_descale, v_descale,
        None, None, None, None, None, None,  # new keys, rotary
        None, None, None,  # scheduler_metadata, partials
        softmax_scale, causal, window_left, window_right, attention_chunk, softcap, dropout_p,
        max_seqlen_q, max_seqlen_k, False, num_splits, pack_gqa, sm_margin,
        API, _threads(), _workspace,
    ))
    # fmt: on
    return out, lse, probs


def forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """`attend` as operator, which returns tensors only."""
    out, lse, probs = attend(*arguments)
    return out, lse, arguments[0].new_empty(0) if probs is None else probs


def attend_kvcache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    seqused_k: Tensor | None = None,
    page_table: Tensor | None = None,
    causal: bool = False,
    softmax_scale: float | None = None,
    k_new: Tensor | None = None,
    v_new: Tensor | None = None,
    rotary_cos: Tensor | None = None,
    rotary_sin: Tensor | None = None,
    rotary_seqlens: Tensor | None = None,
    cu_seqlens_k_new: Tensor | None = None,
    rotary_interleaved: bool = True,
    num_splits: int = 0,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    cu_seqlens_q: Tensor | None = None,
    max_seqlen_q: int = -1,
    kv_batch_idx: Tensor | None = None,
    leftpad_k: Tensor | None = None,
    scheduler_metadata: Tensor | None = None,
    alibi_slopes: Tensor | None = None,
    learnable_sink: Tensor | None = None,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    attention_chunk: int = 0,
    pack_gqa: int = -1,
    sm_margin: int = 0,
    return_partials: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Writes new keys and values to the cache, then attends: out, lse, out_accum, lse_accum."""
    out, lse = attention_outputs(q, v_cache, cu_seqlens_q is not None)
    out_accum, lse_accum = split_partials(out, num_splits) if return_partials else (None, None)
    if softmax_scale is None:
        softmax_scale = _default_scale(q, qv)
    # fmt: off
    arguments = (
        q, k_cache, v_cache, qv, out, lse, None, None,  # probs, rng_state
        cu_seqlens_q, None, None, seqused_k,  # cu_seqlens_k, seqused_q
        leftpad_k, kv_batch_idx, page_table,
        alibi_slopes, learnable_sink, q_descale, k_descale, v_descale,
        k_new, v_new, cu_seqlens_k_new, rotary_cos, rotary_sin, rotary_seqlens,
        scheduler_metadata, out_accum, lse_accum,
        softmax_scale, causal, window_left, window_right, attention_chunk, softcap, 0.0,
        max_seqlen_q, -1, rotary_interleaved, num_splits, pack_gqa, sm_margin,
        API, _threads(), _workspace,
    )
    # fmt: on
    _call(_native_forward, arguments, k_cache, v_cache)
    if k_new is not None:
        for cache in (k_cache, v_cache):
            increment_version(cache)
    return out, lse, out_accum, lse_accum


def forward_kvcache_append(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`attend_kvcache` as operator, which returns tensors only."""
    out, lse, out_accum, lse_accum = attend_kvcache(*arguments)
    if out_accum is None or lse_accum is None:
        out_accum, lse_accum = (out.new_empty(0, dtype=torch.float32) for _ in range(2))
    return out, lse, out_accum, lse_accum


def forward_kvcache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    seqused_k: Tensor | None = None,
    page_table: Tensor | None = None,
    causal: bool = False,
    softmax_scale: float | None = None,
    num_splits: int = 0,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    cu_seqlens_q: Tensor | None = None,
    max_seqlen_q: int = -1,
    kv_batch_idx: Tensor | None = None,
    leftpad_k: Tensor | None = None,
    scheduler_metadata: Tensor | None = None,
    alibi_slopes: Tensor | None = None,
    learnable_sink: Tensor | None = None,
    qv: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    attention_chunk: int = 0,
    pack_gqa: int = -1,
    sm_margin: int = 0,
    return_partials: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attends to a cache that already holds its keys: out, lse, out_accum, lse_accum."""
    # fmt: off
    return forward_kvcache_append(
        q, k_cache, v_cache, seqused_k, page_table, causal, softmax_scale,
        None, None, None, None, None, None, True,  # new keys, rotary
        num_splits, window_left, window_right, softcap, cu_seqlens_q, max_seqlen_q,
        kv_batch_idx, leftpad_k, scheduler_metadata, alibi_slopes, learnable_sink, qv,
        q_descale, k_descale, v_descale, attention_chunk, pack_gqa, sm_margin, return_partials,
    )
    # fmt: on


def backward(
    dout: Tensor,
    dlse: Tensor | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    causal: bool = False,
    softmax_scale: float | None = None,
    deterministic: bool = False,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    packing: int = 0,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k: Tensor | None = None,
    max_seqlen_q: int = -1,
    max_seqlen_k: int = -1,
    alibi_slopes: Tensor | None = None,
    learnable_sink: Tensor | None = None,
    qv: Tensor | None = None,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    dropout_p: float = 0.0,
    rng_state: Tensor | None = None,
    attention_chunk: int = 0,
    sm_margin: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `forward`: dq, dk, dv (or packed, see `input_gradients`), dqv, dsink."""
    gradients = input_gradients(q, k, v, packing)
    dqv, dsink = extra_gradients(q, qv, learnable_sink)
    if softmax_scale is None:
        softmax_scale = _default_scale(q, qv)
    # fmt: off
    _call(native.backward, (
        dout, q, k, v, qv, out, lse, dlse,
        gradients.dq, gradients.dk, gradients.dv,
        None if qv is None else dqv, None if learnable_sink is None else dsink,
        None, rng_state,  # softmax_d
        cu_seqlens_q, cu_seqlens_k, seqused_q, seqused_k, alibi_slopes, learnable_sink,
        softmax_scale, causal, window_left, window_right, attention_chunk, softcap, dropout_p,
        max_seqlen_q, max_seqlen_k, deterministic, sm_margin, API, _threads(), _workspace,
    ))
    # fmt: on
    return *gradients.results, dqv, dsink


def backward_into(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    dq: Tensor,
    dk: Tensor,
    dv: Tensor,
    causal: bool = False,
    softmax_scale: float | None = None,
    deterministic: bool = False,
    window_left: int = -1,
    window_right: int = -1,
    softcap: float = 0.0,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k: Tensor | None = None,
    max_seqlen_q: int = -1,
    max_seqlen_k: int = -1,
    alibi_slopes: Tensor | None = None,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    dropout_p: float = 0.0,
    rng_state: Tensor | None = None,
    sm_margin: int = 0,
) -> Tensor:
    """Gradients of `forward`, written to the given dq, dk and dv; returns rowsum(dout * out)."""
    attention_outputs(q, v, cu_seqlens_q is not None)  # refuses a q of another rank
    delta = softmax_d(q, lse, cu_seqlens_q)
    if softmax_scale is None:
        softmax_scale = _default_scale(q)
    # fmt: off
    _call(native.backward, (
        dout, q, k, v, None, out, lse, None,  # qv, dlse
        dq, dk, dv, None, None, delta, rng_state,  # dqv, dsink
        cu_seqlens_q, cu_seqlens_k, seqused_q, seqused_k, alibi_slopes, None,  # learnable_sink
        softmax_scale, causal, window_left, window_right, 0, softcap, dropout_p,
        max_seqlen_q, max_seqlen_k, deterministic, sm_margin, API, _threads(), _workspace,
    ), dq, dk, dv, delta)
    # fmt: on
    for gradient in (dq, dk, dv):
        increment_version(gradient)
    return delta


def combine(out_partial: Tensor, lse_partial: Tensor, out: Tensor) -> Tensor:
    """Merges partials into `out` and returns lse [B, H, S]."""
    lse = combined_lse(out_partial)
    arguments = out_partial, lse_partial, out, lse.transpose(1, 2), API, _threads()
    _call(native.combine, arguments, out, arguments[3])
    increment_version(out)
    return lse


def plan_values(
    dtype: str,
    batch: int,
    max_seqlen_q: int,
    max_seqlen_k: int,
    q_heads: int,
    kv_heads: int,
    head_dim: int,
    value_dim: int,
    page_size: int,
    causal: bool,
    window_left: int,
    window_right: int,
    attention_chunk: int,
    has_softcap: bool,
    num_splits: int,
    pack_gqa: int,
    sm_margin: int,
    *,
    on_npu: bool = False,
) -> list[int]:
    """Values of a plan, which follow from sizes and options alone."""
    # fmt: off
    return list(native.scheduler_metadata(
        batch, max_seqlen_q, max_seqlen_k, q_heads, kv_heads, head_dim, value_dim, dtype,
        page_size, causal, window_left, window_right, attention_chunk, has_softcap,
        num_splits, pack_gqa, sm_margin, on_npu,
    ))
    # fmt: on


def scheduler_metadata(cache_seqlens: Tensor, *arguments: Any) -> Tensor:
    """A plan as int32 values on the device of `cache_seqlens`; arguments of `plan_values`."""
    on_npu = cache_seqlens.device.type == "npu"
    return cache_seqlens.new_tensor(plan_values(*arguments, on_npu=on_npu), dtype=torch.int32)
