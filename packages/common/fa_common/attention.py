"""The way of a call from the public functions to an operator, with or without autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import ops
from .autograd import Attention, DenseAttention, forward, refuse_gradient
from .errors import InvalidArgument, NotSupported
from .request import (
    NO_EXTRAS,
    PADDED,
    Extras,
    Inputs,
    KvCache,
    Lengths,
    NewKeys,
    Options,
    flag,
    integer,
    number,
    tensor,
    window,
)
from .rng import draw_state
from .schemas import DEFAULT_SPLITS

_OPEN_WINDOW = (-1, -1)
_is_grad_enabled = torch.is_grad_enabled
# Older torch cannot compile these functions anyway.
_is_compiling = getattr(torch.compiler, "is_compiling", lambda: False)


def _distinct(*tensors: Any) -> list[Any]:
    """Replaces repetitions by views: torch.compile takes no tensor twice in one autograd function,
    but self-attention has cu_seqlens_q and cu_seqlens_k in one tensor, or even q, k and v."""
    results: list[Any] = []
    for given in tensors:
        repeated = given is not None and any(given is other for other in results)
        results.append(given.view_as(given) if repeated else given)
    return results


def wants_grad(**tensors: Tensor | None) -> bool:
    """Tells whether autograd wants a gradient of one of the tensors, which must be tensors."""
    given = [tensor(name, value) for name, value in tensors.items() if value is not None]
    return _is_grad_enabled() and any(t.requires_grad for t in given)


def attend_dense(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: Any,
    softmax_scale: Any,
    num_splits: Any,
    window_size: Any,
    softcap: Any,
    deterministic: Any,
    return_lse: Any,
) -> Any:
    """Attention of padded q, k, v without optional tensors: out, or (out, lse)."""
    # This is the way of most calls, so it does without function calls where types are plain.
    if causal is not True and causal is not False:
        causal = flag("causal", causal)
    if softmax_scale is not None and type(softmax_scale) is not float:
        softmax_scale = number("softmax_scale", softmax_scale)
    if type(softcap) is not float:
        softcap = number("softcap", softcap)
    options: tuple[Any, ...] = (causal, softmax_scale)
    if window_size != _OPEN_WINDOW or softcap != 0.0 or num_splits != DEFAULT_SPLITS:
        splits = integer("num_splits", num_splits)
        options = (causal, softmax_scale, splits, *window(window_size), softcap)
    try:
        grad = _is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    except AttributeError:
        grad = wants_grad(q=q, k=k, v=v)
    if not grad:
        out, lse = ops.forward_dense(q, k, v, *options)
        return (out, lse) if return_lse else out
    if _is_compiling():
        q, k, v = _distinct(q, k, v)
    return DenseAttention.apply(
        q, k, v, options, flag("deterministic", deterministic), bool(return_lse)
    )


def attend(
    inputs: Inputs,
    options: Options,
    lengths: Lengths = PADDED,
    extras: Extras = NO_EXTRAS,
    return_lse: Any = False,
) -> Any:
    """Attention with every option: out, or (out, lse, probs)."""
    first, second, third, packing, q_heads = inputs
    return_lse = bool(return_lse)
    rng_state = draw_state() if options.dropout_p > 0 else None
    grad = wants_grad(
        q=first, k=second, v=third, qv=extras.qv, learnable_sink=extras.learnable_sink
    )
    arguments = options, packing, q_heads, return_lse, lengths.max_seqlen_q, lengths.max_seqlen_k
    tensors = first, second, third, *lengths[:4], *extras, rng_state
    if grad:
        distinct = _distinct(*tensors) if _is_compiling() else tensors
        return Attention.apply(*arguments, *distinct)
    results = forward(*arguments, *tensors)
    return results if return_lse else results[0]


def attend_kvcache(
    q: Tensor,
    cache: KvCache,
    new: NewKeys,
    options: Options,
    extras: Extras = NO_EXTRAS,
    return_partials: bool = False,
) -> tuple[Tensor, ...]:
    """Attention to a cache, after new keys are written to it: out, lse, out_accum, lse_accum."""
    grad = wants_grad(q=q, k=new.k, v=new.v, qv=extras.qv, learnable_sink=extras.learnable_sink)
    for name, part in (("k_cache", cache.k), ("v_cache", cache.v)):
        grad = _check_cache(name, part, new.k is not None) or grad
    if not grad:
        return _forward_kvcache(q, cache, new, options, extras, return_partials)
    with torch.no_grad():
        results = _forward_kvcache(q, cache, new, options, extras, return_partials)
    reason = "flash_attn_with_kvcache: got a backward, supported is the forward only"
    inputs = q, cache.k, cache.v, new.k, new.v, extras.qv, extras.learnable_sink
    return refuse_gradient(reason, results, *inputs)


def _check_cache(name: str, part: Any, append: bool) -> bool:
    grad = wants_grad(**{name: part})
    if grad and append:
        raise NotSupported(
            f"{name}: got a tensor that requires grad, supported are others "
            "(new keys are written into it; call under torch.no_grad())"
        )
    if part.dim() > 0 and part.stride(-1) != 1 and part.shape[-1] > 1:
        raise InvalidArgument(
            f"{name}: got stride {part.stride(-1)} in the last dimension, expected 1"
        )
    return grad


def _forward_kvcache(
    q: Tensor,
    cache: KvCache,
    new: NewKeys,
    options: Options,
    extras: Extras,
    return_partials: bool,
) -> tuple[Tensor, ...]:
    alibi_slopes, sink, qv, _, q_descale, k_descale, v_descale = extras
    # fmt: off
    head = (
        q, cache.k, cache.v, cache.seqlens, cache.page_table,
        options.causal, options.softmax_scale,
    )
    tail = (
        options.num_splits, options.window_left, options.window_right, options.softcap,
        cache.cu_seqlens_q, cache.max_seqlen_q, cache.batch_idx, cache.leftpad,
        cache.scheduler_metadata, alibi_slopes, sink, qv, q_descale, k_descale, v_descale,
        options.attention_chunk, options.pack_gqa, options.sm_margin, return_partials,
    )
    # fmt: on
    if new.given:
        return ops.forward_kvcache_append(*head, *new, *tail)  # type: ignore[no-any-return]
    return ops.forward_kvcache(*head, *tail)  # type: ignore[no-any-return]
