"""The way of a call from the public functions to an operator, with or without autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import cpu, ops
from .autograd import (
    apply_dense_directly,
    apply_directly,
    forward,
    refuse_cache_gradient,
    wants_grad,
)
from .direct import is_compiling, undisturbed
from .errors import InvalidArgument, NotSupported
from .request import (
    NO_EXTRAS,
    OPEN_WINDOW,
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
from .wheel import API, native

_is_grad_enabled = torch.is_grad_enabled
_attend_plain = native.attend_plain

_EXTRAS = Extras._fields
_DENSE_NAMES = ("q", "k", "v")
_NAMES = (*_DENSE_NAMES, *Lengths._fields[:4], *_EXTRAS)
_CACHE_NAMES = (
    *("q", "k_cache", "v_cache", "cache_seqlens", "cache_batch_idx", "cache_leftpad"),
    *("page_table", "cu_seqlens_q", "scheduler_metadata"),
    *("k", "v", "rotary_cos", "rotary_sin", "rotary_seqlens", "cu_seqlens_k_new", *_EXTRAS),
)


def _is_direct(names: Sequence[str], tensors: Sequence[Any]) -> bool:
    """Tells whether the dispatcher may be left out; refuses what is not a tensor."""
    if undisturbed(*tensors):
        return True
    for name, value in zip(names, tensors, strict=True):
        if value is not None:
            tensor(name, value)
    return False


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
    if type(deterministic) is bool and not is_compiling():
        # fmt: off
        plain = _attend_plain(
            q, k, v, None, None, causal, softmax_scale, num_splits, window_size, softcap, API,
            return_lse,
        )
        # fmt: on
        if plain is not None:
            return plain
    # The way of most calls: no function is called for arguments of the plain types.
    if causal is not True and causal is not False:
        causal = flag("causal", causal)
    if softmax_scale is not None and type(softmax_scale) is not float:
        softmax_scale = number("softmax_scale", softmax_scale)
    if type(softcap) is not float:
        softcap = number("softcap", softcap)
    if deterministic is not True and deterministic is not False:
        deterministic = flag("deterministic", deterministic)
    options: tuple[Any, ...] = (causal, softmax_scale)
    open_window = type(window_size) is tuple and window_size == OPEN_WINDOW
    if not open_window or softcap != 0.0 or num_splits != DEFAULT_SPLITS:
        splits = integer("num_splits", num_splits)
        options = (causal, softmax_scale, splits, *window(window_size), softcap)
    if not _is_direct(_DENSE_NAMES, (q, k, v)):
        results = ops.forward_dense(q, k, v, *options, deterministic=deterministic)
    elif _is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
        return apply_dense_directly(
            cpu.forward_dense, q, k, v, (deterministic, bool(return_lse), *options)
        )
    else:
        results = cpu.forward_dense(q, k, v, *options)
    return results if return_lse else results[0]


def attend_plain_cache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    cache_seqlens: Any,
    page_table: Any,
    causal: Any,
    softmax_scale: Any,
    num_splits: Any,
    window_size: Any,
    softcap: Any,
    return_lse: Any,
) -> Any:
    """The short way of a cache call without further arguments: out, or (out, lse); None where it
    does not hold, as for all CPU tensors."""
    if is_compiling():
        return None
    # fmt: off
    return _attend_plain(
        q, k_cache, v_cache, cache_seqlens, page_table, causal, softmax_scale, num_splits,
        window_size, softcap, API, return_lse,
    )
    # fmt: on


def attend(
    inputs: Inputs,
    options: Options,
    lengths: Lengths = PADDED,
    extras: Extras = NO_EXTRAS,
    return_lse: Any = False,
) -> Any:
    """Attention with every option: out, or (out, lse, probs)."""
    first, second, third, packing, q_heads = inputs
    tensors: tuple[Any, ...] = (first, second, third, *lengths[:4], *extras)
    dropout = options.dropout_p > 0
    arguments: tuple[Any, ...] = (
        *(options, packing, q_heads, bool(return_lse), bool(return_lse) and dropout),
        *(lengths.max_seqlen_q, lengths.max_seqlen_k, *tensors, draw_state() if dropout else None),
    )
    if not _is_direct(_NAMES, tensors):
        results = forward(ops.forward, *arguments)
    elif wants_grad(first, second, third, extras.qv, extras.learnable_sink):
        return apply_directly(cpu.attend, *arguments)
    else:
        results = forward(cpu.attend, *arguments)
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
    direct = _is_direct(_CACHE_NAMES, (q, *cache[:8], *new[:6], *extras))
    inputs = q, cache.k, cache.v, new.k, new.v, extras.qv, extras.learnable_sink
    grad = wants_grad(*inputs)
    if grad and new.k is not None:
        _check_no_grad(cache)
    results = _forward_kvcache(direct, q, cache, new, options, extras, return_partials)
    return refuse_cache_gradient(results, *inputs) if grad and direct else results


def _forward_kvcache(
    direct: bool,
    q: Tensor,
    cache: KvCache,
    new: NewKeys,
    options: Options,
    extras: Extras,
    return_partials: bool,
) -> tuple[Any, ...]:
    # fmt: off
    k_cache, v_cache, seqlens, batch_idx, leftpad, page_table, cu_seqlens_q, metadata, max_q = cache
    alibi_slopes, sink, qv, _, q_descale, k_descale, v_descale = extras
    head: tuple[Any, ...] = (
        q, k_cache, v_cache, seqlens, page_table, options.causal, options.softmax_scale,
    )
    tail: tuple[Any, ...] = (
        options.num_splits, options.window_left, options.window_right, options.softcap,
        cu_seqlens_q, max_q, batch_idx, leftpad, metadata,
        alibi_slopes, sink, qv, q_descale, k_descale, v_descale,
        options.attention_chunk, options.pack_gqa, options.sm_margin, return_partials,
    )
    # fmt: on
    results: tuple[Any, ...]
    try:
        if direct:
            # The operator fills in empty tensors also for partials that nobody asked for.
            call = cpu.forward_kvcache_append if return_partials else cpu.attend_kvcache
            results = call(*(*head, *new, *tail))
        elif any(x is not None for x in new[:6]):
            results = ops.forward_kvcache_append(*head, *new, *tail)
        else:
            results = ops.forward_kvcache(*head, *tail)
    except InvalidArgument:
        _check_strides(cache)
        raise
    return results


def _check_no_grad(cache: KvCache) -> None:
    for name, x in (("k_cache", cache.k), ("v_cache", cache.v)):
        if x.requires_grad:
            raise NotSupported(
                f"{name}: got a tensor that requires grad, supported are others "
                "(new keys are written into it; call under torch.no_grad())"
            )


def _check_strides(cache: KvCache) -> None:
    """Names the cache where the core, which knows one name for all keys, says k or v."""
    for name, x in (("k_cache", cache.k), ("v_cache", cache.v)):
        if x.dim() > 0 and x.stride(-1) != 1 and x.shape[-1] > 1:
            raise InvalidArgument(
                f"{name}: got stride {x.stride(-1)} in the last dimension, expected 1"
            ) from None
