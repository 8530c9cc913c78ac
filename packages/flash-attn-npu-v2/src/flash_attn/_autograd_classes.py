"""The autograd functions of the original, for clients that apply them instead of the functions.

Each takes the arguments of its public function, return_softmax, and whether gradients are wanted.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ._common.request import window
from ._operators import (
    _wrapped_flash_attn_backward,
    _wrapped_flash_attn_forward,
    _wrapped_flash_attn_varlen_backward,
    _wrapped_flash_attn_varlen_forward,
)

__all__ = [
    "FlashAttnFunc",
    "FlashAttnKVPackedFunc",
    "FlashAttnQKVPackedFunc",
    "FlashAttnVarlenFunc",
    "FlashAttnVarlenKVPackedFunc",
    "FlashAttnVarlenQKVPackedFunc",
]


def _run(
    ctx: Any,
    tensors: tuple[Tensor, Tensor, Tensor],
    lengths: tuple[Any, ...],
    options: tuple[Any, ...],  # dropout_p to deterministic
    return_softmax: bool,
    is_grad_enabled: bool,
    wants_grad: bool,
    block_table: Tensor | None = None,
) -> Any:
    q, k, v = tensors
    dropout_p, scale, causal, window_size, softcap, alibi_slopes, deterministic = options
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    plain = (dropout_p, scale, causal, *window(window_size), softcap, alibi_slopes)
    forward: Any = _wrapped_flash_attn_varlen_forward if lengths else _wrapped_flash_attn_forward
    last = (return_softmax and dropout_p > 0, *((block_table,) if lengths else ()))
    out, lse, probs, state = forward(q, k, v, *lengths, *plain, *last)
    if is_grad_enabled and wants_grad:
        ctx.save_for_backward(q, k, v, out, lse, state)
        ctx.plain, ctx.lengths, ctx.deterministic = plain, lengths, deterministic
    return (out, lse, probs) if return_softmax else out


def _gradients(ctx: Any, dout: Tensor, dq: Tensor, dk: Tensor, dv: Tensor) -> None:
    q, k, v, out, lse, state = ctx.saved_tensors
    backward: Any = (
        _wrapped_flash_attn_varlen_backward if ctx.lengths else _wrapped_flash_attn_backward
    )
    backward(
        *(dout, q, k, v, out, lse, dq, dk, dv, *ctx.lengths, *ctx.plain, ctx.deterministic, state)
    )


class FlashAttnFunc(Function):
    """Padded q, k, v; see `flash_attn_func`."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        dropout_p: float,
        softmax_scale: float | None,
        causal: bool,
        window_size: Any,
        softcap: float,
        alibi_slopes: Tensor | None,
        deterministic: bool,
        return_softmax: bool,
        is_grad_enabled: bool,
    ) -> Any:
        """See the class."""
        grad = any(x.requires_grad for x in (q, k, v))
        options = dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes
        return _run(
            ctx, (q, k, v), (), (*options, deterministic), return_softmax, is_grad_enabled, grad
        )

    @staticmethod
    def backward(ctx: Any, dout: Tensor, *_: Any) -> Any:
        """Gradients of q, k, v."""
        gradients = [torch.empty_like(x) for x in ctx.saved_tensors[:3]]
        _gradients(ctx, dout, *gradients)
        return *gradients, *(None,) * 9


class FlashAttnKVPackedFunc(Function):
    """Padded q, and k, v in one tensor; see `flash_attn_kvpacked_func`."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        kv: Tensor,
        dropout_p: float,
        softmax_scale: float | None,
        causal: bool,
        window_size: Any,
        softcap: float,
        alibi_slopes: Tensor | None,
        deterministic: bool,
        return_softmax: bool,
        is_grad_enabled: bool,
    ) -> Any:
        """See the class."""
        grad = q.requires_grad or kv.requires_grad
        k, v = kv[..., 0, :, :].detach(), kv[..., 1, :, :].detach()
        options = dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes
        return _run(
            ctx, (q, k, v), (), (*options, deterministic), return_softmax, is_grad_enabled, grad
        )

    @staticmethod
    def backward(ctx: Any, dout: Tensor, *_: Any) -> Any:
        """Gradients of q and kv."""
        dq, dkv = _kv_gradients(ctx, dout)
        return dq, dkv, *(None,) * 9


class FlashAttnQKVPackedFunc(Function):
    """q, k, v in one tensor; see `flash_attn_qkvpacked_func`."""

    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        dropout_p: float,
        softmax_scale: float | None,
        causal: bool,
        window_size: Any,
        softcap: float,
        alibi_slopes: Tensor | None,
        deterministic: bool,
        return_softmax: bool,
        is_grad_enabled: bool,
    ) -> Any:
        """See the class."""
        q, k, v = (qkv[..., i, :, :].detach() for i in range(3))
        options = dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes
        return _run(
            *(ctx, (q, k, v), (), (*options, deterministic), return_softmax, is_grad_enabled),
            qkv.requires_grad,
        )

    @staticmethod
    def backward(ctx: Any, dout: Tensor, *_: Any) -> Any:
        """Gradient of qkv."""
        return _qkv_gradient(ctx, dout), *(None,) * 9


class FlashAttnVarlenFunc(Function):
    """Packed q, k, v; see `flash_attn_varlen_func`."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        cu_seqlens_q: Tensor,
        cu_seqlens_k: Tensor,
        max_seqlen_q: int,
        max_seqlen_k: int,
        dropout_p: float,
        softmax_scale: float | None,
        causal: bool,
        window_size: Any,
        softcap: float,
        alibi_slopes: Tensor | None,
        deterministic: bool,
        return_softmax: bool,
        block_table: Tensor | None,
        is_grad_enabled: bool,
    ) -> Any:
        """See the class."""
        grad = any(x.requires_grad for x in (q, k, v))
        lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
        options = dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes
        return _run(
            *(ctx, (q, k, v), lengths, (*options, deterministic), return_softmax),
            *(is_grad_enabled, grad, block_table),
        )

    @staticmethod
    def backward(ctx: Any, dout: Tensor, *_: Any) -> Any:
        """Gradients of q, k, v."""
        gradients = [torch.empty_like(x) for x in ctx.saved_tensors[:3]]
        _gradients(ctx, dout, *gradients)
        return *gradients, *(None,) * 14


class FlashAttnVarlenKVPackedFunc(Function):
    """Packed q, and k, v in one tensor; see `flash_attn_varlen_kvpacked_func`."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        kv: Tensor,
        cu_seqlens_q: Tensor,
        cu_seqlens_k: Tensor,
        max_seqlen_q: int,
        max_seqlen_k: int,
        dropout_p: float,
        softmax_scale: float | None,
        causal: bool,
        window_size: Any,
        softcap: float,
        alibi_slopes: Tensor | None,
        deterministic: bool,
        return_softmax: bool,
        is_grad_enabled: bool,
    ) -> Any:
        """See the class."""
        grad = q.requires_grad or kv.requires_grad
        k, v = kv[..., 0, :, :].detach(), kv[..., 1, :, :].detach()
        lengths = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
        options = dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes
        return _run(
            *(ctx, (q, k, v), lengths, (*options, deterministic), return_softmax),
            *(is_grad_enabled, grad),
        )

    @staticmethod
    def backward(ctx: Any, dout: Tensor, *_: Any) -> Any:
        """Gradients of q and kv."""
        dq, dkv = _kv_gradients(ctx, dout)
        return dq, dkv, *(None,) * 13


class FlashAttnVarlenQKVPackedFunc(Function):
    """Packed tokens with q, k, v in one tensor; see `flash_attn_varlen_qkvpacked_func`."""

    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        cu_seqlens: Tensor,
        max_seqlen: int,
        dropout_p: float,
        softmax_scale: float | None,
        causal: bool,
        window_size: Any,
        softcap: float,
        alibi_slopes: Tensor | None,
        deterministic: bool,
        return_softmax: bool,
        is_grad_enabled: bool,
    ) -> Any:
        """See the class."""
        q, k, v = (qkv[..., i, :, :].detach() for i in range(3))
        lengths = cu_seqlens, cu_seqlens, max_seqlen, max_seqlen
        options = dropout_p, softmax_scale, causal, window_size, softcap, alibi_slopes
        return _run(
            *(ctx, (q, k, v), lengths, (*options, deterministic), return_softmax),
            *(is_grad_enabled, qkv.requires_grad),
        )

    @staticmethod
    def backward(ctx: Any, dout: Tensor, *_: Any) -> Any:
        """Gradient of qkv."""
        return _qkv_gradient(ctx, dout), *(None,) * 11


def _kv_gradients(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor]:
    q, k = ctx.saved_tensors[:2]
    dq, dkv = torch.empty_like(q), k.new_empty((*k.shape[:-2], 2, *k.shape[-2:]))
    _gradients(ctx, dout, dq, *dkv.unbind(-3))
    return dq, dkv


def _qkv_gradient(ctx: Any, dout: Tensor) -> Tensor:
    q: Tensor = ctx.saved_tensors[0]
    dqkv = q.new_empty((*q.shape[:-2], 3, *q.shape[-2:]))
    _gradients(ctx, dout, *dqkv.unbind(-3))
    return dqkv
