"""The five functions of the original's native module, positional: `flash_attn_gpu`.

xformers and Transformer Engine call them. Outputs that the caller passes are written; None lets
them be allocated. The slot of a random generator must be None, as in the original since 2.8.4.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import _semi_public
from ._common.attention import attend_kvcache
from ._common.errors import InvalidArgument
from ._common.request import Extras, KvCache, NewKeys, integer, options

__all__ = ["bwd", "fwd", "fwd_kvcache", "varlen_bwd", "varlen_fwd"]
_PADDED = (None, None, -1, -1)


def _refuse_generator(generator: Any) -> None:
    if generator is not None:
        raise InvalidArgument(
            f"generator: got {type(generator).__name__}, expected None: the `generator` argument "
            "is no longer supported (torch.manual_seed seeds the dropout)"
        )


def _check_softmax(return_softmax: bool, dropout_p: float) -> None:
    if return_softmax and dropout_p <= 0:
        raise InvalidArgument(
            "return_softmax: got True, which is only supported when p_dropout > 0.0"
        )


def _into(out: Tensor | None, result: Tensor) -> Tensor:
    return result if out is None else out.copy_(result)


def fwd(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor | None,
    alibi_slopes: Tensor | None,
    p_dropout: float,
    softmax_scale: float,
    is_causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    return_softmax: bool,
    gen: None,
    /,
) -> list[Tensor]:
    """Attention of padded q, k, v: [out, lse, S_dmask, rng_state]."""
    _refuse_generator(gen)
    _check_softmax(return_softmax, p_dropout)
    window = window_size_left, window_size_right
    result, lse, probs, state = _semi_public.forward(
        *(q, k, v, _PADDED, p_dropout, softmax_scale, is_causal, window, softcap, alibi_slopes),
        return_softmax,
    )
    return [_into(out, result), lse, probs, state]


def varlen_fwd(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor | None,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    seqused_k: Tensor | None,
    leftpad_k: Tensor | None,
    block_table: Tensor | None,
    alibi_slopes: Tensor | None,
    max_seqlen_q: int,
    max_seqlen_k: int,
    p_dropout: float,
    softmax_scale: float,
    zero_tensors: bool,  # noqa: ARG001, every element is written anyway
    is_causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    return_softmax: bool,
    gen: None,
    num_splits: int = 0,
    /,
) -> list[Tensor]:
    """Attention of packed q, k, v: [out, lse, S_dmask, rng_state]."""
    _refuse_generator(gen)
    _check_softmax(return_softmax, p_dropout)
    lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    window = window_size_left, window_size_right
    result, lse, probs, state = _semi_public.forward(
        *(q, k, v, lengths, p_dropout, softmax_scale, is_causal, window, softcap, alibi_slopes),
        *(return_softmax, block_table, leftpad_k, seqused_k, num_splits),
    )
    return [_into(out, result), lse, probs, state]


def _backward(
    tensors: tuple[Tensor, ...], given: tuple[Tensor | None, ...], *rest: Any
) -> list[Tensor]:
    dq, dk, dv = (
        torch.empty_like(x) if g is None else g for g, x in zip(given, tensors[1:4], strict=True)
    )
    return [dq, dk, dv, _semi_public.backward(tensors, (dq, dk, dv), *rest)]


def bwd(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    softmax_lse: Tensor,
    dq: Tensor | None,
    dk: Tensor | None,
    dv: Tensor | None,
    alibi_slopes: Tensor | None,
    p_dropout: float,
    softmax_scale: float,
    is_causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    deterministic: bool,
    gen: None,
    rng_state: Tensor | None,
    /,
) -> list[Tensor]:
    """Gradients of `fwd`: [dq, dk, dv, rowsum(dout * out)]."""
    _refuse_generator(gen)
    window = window_size_left, window_size_right
    return _backward(
        *((dout, q, k, v, out, softmax_lse), (dq, dk, dv), _PADDED, p_dropout, softmax_scale),
        *(is_causal, window, softcap, alibi_slopes, deterministic, rng_state),
    )


def varlen_bwd(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    softmax_lse: Tensor,
    dq: Tensor | None,
    dk: Tensor | None,
    dv: Tensor | None,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    alibi_slopes: Tensor | None,
    max_seqlen_q: int,
    max_seqlen_k: int,
    p_dropout: float,
    softmax_scale: float,
    zero_tensors: bool,  # noqa: ARG001, every element is written anyway
    is_causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    deterministic: bool,
    gen: None,
    rng_state: Tensor | None,
    /,
) -> list[Tensor]:
    """Gradients of `varlen_fwd`: [dq, dk, dv, rowsum(dout * out)]."""
    _refuse_generator(gen)
    lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    window = window_size_left, window_size_right
    return _backward(
        *((dout, q, k, v, out, softmax_lse), (dq, dk, dv), lengths, p_dropout, softmax_scale),
        *(is_causal, window, softcap, alibi_slopes, deterministic, rng_state),
    )


def fwd_kvcache(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    k: Tensor | None,
    v: Tensor | None,
    seqlens_k: Tensor | None,
    rotary_cos: Tensor | None,
    rotary_sin: Tensor | None,
    cache_batch_idx: Tensor | None,
    leftpad_k: Tensor | None,
    block_table: Tensor | None,
    alibi_slopes: Tensor | None,
    out: Tensor | None,
    softmax_scale: float,
    is_causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    is_rotary_interleaved: bool,
    num_splits: int,
    /,
) -> list[Tensor]:
    """Appends to a cache and attends to it: [out, lse]."""
    window = window_size_left, window_size_right
    result, lse, _, _ = attend_kvcache(
        q,
        KvCache(k_cache, v_cache, seqlens_k, cache_batch_idx, leftpad_k, block_table),
        NewKeys(k, v, rotary_cos, rotary_sin, None, None, bool(is_rotary_interleaved)),
        options(
            is_causal, softmax_scale, window, softcap, num_splits=integer("num_splits", num_splits)
        ),
        Extras(alibi_slopes),
    )
    return [_into(out, result), lse]
