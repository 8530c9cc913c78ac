"""The semi-public operators with the parameters of the original; `flash_attn_interface` has them.

Clients that implement context parallelism or their own autograd call these: ring attention,
diffusers, megatron. They compute no gradients by themselves.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import _semi_public
from ._common import allocate
from ._semi_public import as_operator, dispatched

_PADDED = (None, None, -1, -1)


def _forward_fake(q: Tensor, k: Tensor, v: Tensor, dropout_p: float, *rest: Any) -> Any:
    return _semi_public.fake_forward(q, k, v, _PADDED, bool(rest[-1]) and dropout_p > 0)


@as_operator(_forward_fake)
def _flash_attn_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    alibi_slopes: Tensor | None,
    return_softmax: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention of padded q, k, v: out, lse [B, Hq, Sq], S_dmask (or empty), random state."""
    window = window_size_left, window_size_right
    return _semi_public.forward(
        *(q, k, v, _PADDED, dropout_p, softmax_scale, causal, window, softcap, alibi_slopes),
        return_softmax,
    )


def _varlen_forward_fake(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float,
    softmax_scale: float,  # noqa: ARG001
    causal: bool,  # noqa: ARG001
    window_size_left: int = -1,  # noqa: ARG001
    window_size_right: int = -1,  # noqa: ARG001
    softcap: float = 0.0,  # noqa: ARG001
    alibi_slopes: Tensor | None = None,  # noqa: ARG001
    return_softmax: bool = False,
    *_: Any,
    **__: Any,
) -> Any:
    lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    return _semi_public.fake_forward(q, k, v, lengths, return_softmax and dropout_p > 0)


@as_operator(_varlen_forward_fake)
def _flash_attn_varlen_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window_size_left: int = -1,
    window_size_right: int = -1,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    return_softmax: bool = False,
    block_table: Tensor | None = None,
    leftpad_k: Tensor | None = None,
    seqused_k: Tensor | None = None,
    zero_tensors: bool = False,  # noqa: ARG001, every element is written anyway
    num_splits: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention of packed q, k, v: out, lse [Hq, Tq], S_dmask (or empty), random state."""
    lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    window = window_size_left, window_size_right
    return _semi_public.forward(
        *(q, k, v, lengths, dropout_p, softmax_scale, causal, window, softcap, alibi_slopes),
        *(return_softmax, block_table, leftpad_k, seqused_k, num_splits),
    )


def _backward_fake(dout: Tensor, q: Tensor, *rest: Any) -> Tensor:  # noqa: ARG001
    return allocate.softmax_d(q, rest[3], None)


@as_operator(_backward_fake)
def _flash_attn_backward(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    softmax_lse: Tensor,
    dq: Tensor | None,
    dk: Tensor | None,
    dv: Tensor | None,
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    alibi_slopes: Tensor | None,
    deterministic: bool,
    rng_state: Tensor | None = None,
) -> Tensor:
    """Writes dq, dk, dv of padded attention; returns rowsum(dout * out) [B, Hq, R(Sq)]."""
    window = window_size_left, window_size_right
    # fmt: off
    return _semi_public.backward(
        (dout, q, k, v, out, softmax_lse), (dq, dk, dv), _PADDED, dropout_p, softmax_scale,
        causal, window, softcap, alibi_slopes, deterministic, rng_state,
    )
    # fmt: on


def _varlen_backward_fake(dout: Tensor, q: Tensor, *rest: Any) -> Tensor:  # noqa: ARG001
    return allocate.softmax_d(q, rest[3], rest[7])


@as_operator(_varlen_backward_fake)
def _flash_attn_varlen_backward(
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
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window_size_left: int,
    window_size_right: int,
    softcap: float,
    alibi_slopes: Tensor | None,
    deterministic: bool,
    rng_state: Tensor | None = None,
    zero_tensors: bool = False,  # noqa: ARG001, every element is written anyway
) -> Tensor:
    """Writes dq, dk, dv of packed attention; returns rowsum(dout * out) [Hq, Tq + 128 * B]."""
    lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    window = window_size_left, window_size_right
    # fmt: off
    return _semi_public.backward(
        (dout, q, k, v, out, softmax_lse), (dq, dk, dv), lengths, dropout_p, softmax_scale,
        causal, window, softcap, alibi_slopes, deterministic, rng_state,
    )
    # fmt: on


_wrapped_flash_attn_forward = dispatched(_flash_attn_forward, "_flash_attn_forward")
_wrapped_flash_attn_varlen_forward = dispatched(
    _flash_attn_varlen_forward, "_flash_attn_varlen_forward"
)
_wrapped_flash_attn_backward = dispatched(_flash_attn_backward, "_flash_attn_backward")
_wrapped_flash_attn_varlen_backward = dispatched(
    _flash_attn_varlen_backward, "_flash_attn_varlen_backward"
)


def maybe_contiguous(x: Tensor | None) -> Tensor | None:
    """Copies a tensor whose last dimension has another stride than 1."""
    return x.contiguous() if x is not None and x.stride(-1) != 1 else x


def round_multiple(x: int, m: int) -> int:
    """Rounds x up to a multiple of m."""
    return -(-x // m) * m


def _get_block_size_n(
    device: torch.device | str | int,  # noqa: ARG001
    head_dim: int,  # noqa: ARG001
    is_dropout: bool,  # noqa: ARG001
    is_causal: bool,  # noqa: ARG001
) -> int:
    """Keys that share one maximum in S_dmask: more than any sequence has, it is that of the row."""
    return 1 << 30
