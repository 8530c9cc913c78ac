"""Gradients: autograd functions around the operators, used only when a gradient is wanted.

The operators have no autograd kernel of their own, because one costs 5 us per call without and
20 us with gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from . import cpu, ops
from .allocate import JOINED_HEADS, STACKED_KV, STACKED_QKV
from .direct import direct_apply
from .errors import NotSupported
from .request import Options


class _Refuse(Function):
    @staticmethod
    def forward(ctx: Any, reason: str, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.reason = reason
        return tuple(t.detach() for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise NotSupported(ctx.reason)


def refuse_gradient(
    reason: str, outputs: tuple[Tensor, ...], *inputs: Tensor | None
) -> tuple[Tensor, ...]:
    """Returns `outputs` in a graph whose backward raises NotSupported with `reason`."""
    given = [t for t in inputs if t is not None]
    results: tuple[Tensor, ...] = _Refuse.apply(reason, len(outputs), *outputs, *given)
    return results


def _first_order(gradients: tuple[Tensor | None, ...], dout: Tensor) -> tuple[Tensor | None, ...]:
    """Lets gradients taken with create_graph=True refuse to be differentiated again."""
    if not (torch.is_grad_enabled() and dout.requires_grad):
        return gradients
    given = tuple(g for g in gradients if g is not None)
    refused = list(refuse_gradient("attention: got a backward of its backward", given, dout))
    return tuple([None if g is None else refused.pop(0) for g in gradients])


class DenseAttention(Function):
    """Padded q, k, v with the options of `ops.forward_dense`: the short cut of `Attention`."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, options: tuple[Any, ...]) -> Any:
        """`options`: deterministic, return_lse, then those of the operator."""
        results = ops.forward_dense(q, k, v, *options[2:])
        ctx.save_for_backward(q, k, v, *results)
        ctx.options = options
        return results if options[1] else results[0]

    @staticmethod
    def backward(ctx: Any, dout: Tensor, dlse: Tensor | None = None) -> Any:
        """Gradients of q, k, v."""
        q, k, v, out, lse = ctx.saved_tensors
        deterministic, _, causal, scale, *rest = ctx.options
        with torch.no_grad():
            dq, dk, dv, _, _ = ops.backward(
                dout, dlse, q, k, v, out, lse, causal, scale, deterministic, *rest[1:]
            )
        return *_first_order((dq, dk, dv), dout), None


class DirectDenseAttention(DenseAttention):
    """The same for `direct.undisturbed` calls."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, options: tuple[Any, ...]) -> Any:
        """See `DenseAttention`."""
        results = cpu.forward_dense(q, k, v, *options[2:])
        ctx.save_for_backward(q, k, v, *results)
        ctx.options = options
        return results if options[1] else results[0]


def unpack(
    packing: int, q_heads: int, first: Tensor, second: Tensor | None, third: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Returns q, k, v as views of the tensors that the caller passed."""
    if packing == STACKED_QKV:
        q, k, v = first.unbind(-3)
        return q, k, v
    if packing == STACKED_KV and second is not None:
        return first, *second.unbind(-3)
    if packing == JOINED_HEADS:
        kv_heads = (first.shape[-2] - q_heads) // 2
        q, k, v = first.split([q_heads, kv_heads, kv_heads], -2)
        return q, k, v
    return first, second, third


def forward(
    operator: Callable[..., Any],
    options: Options,
    packing: int,
    q_heads: int,
    return_lse: bool,
    max_seqlen_q: int,
    max_seqlen_k: int,
    first: Tensor,
    second: Tensor | None,
    third: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    seqused_q: Tensor | None,
    seqused_k: Tensor | None,
    alibi_slopes: Tensor | None,
    learnable_sink: Tensor | None,
    qv: Tensor | None,
    page_table: Tensor | None,
    q_descale: Tensor | None,
    k_descale: Tensor | None,
    v_descale: Tensor | None,
    rng_state: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Calls `ops.forward` or, undisturbed, `cpu.attend`: out, lse, probs."""
    q, k, v = unpack(packing, q_heads, first, second, third)
    dropout_p = options.dropout_p
    # fmt: off
    out, lse, probs = operator(
        q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
        options.causal, options.softmax_scale, options.num_splits,
        options.window_left, options.window_right, options.softcap,
        alibi_slopes, learnable_sink, qv, seqused_q, seqused_k, page_table,
        dropout_p, rng_state, return_lse and dropout_p > 0, options.attention_chunk,
        q_descale, k_descale, v_descale, options.pack_gqa, options.sm_margin,
    )
    # fmt: on
    if return_lse and probs is None:
        probs = q.new_empty(0)  # type: ignore[union-attr]
    return out, lse, probs


class Attention(Function):
    """Padded or packed q, k, v, separate or in one tensor, with every option.

    Takes the arguments of `forward` after the first; returns out, or (out, lse, probs) if
    `return_lse`.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        """See the class."""
        return _save(ctx, arguments, forward(ops.forward, *arguments))

    @staticmethod
    def backward(ctx: Any, dout: Tensor, dlse: Tensor | None = None, _: Any = None) -> Any:
        """Gradients of q, k, v in their packing, of learnable_sink and of qv."""
        options, packing, q_heads, max_seqlen_q, max_seqlen_k = ctx.plain
        out, lse, first, second, third, *rest = ctx.saved_tensors
        cu_seqlens_q, cu_seqlens_k, seqused_q, seqused_k, alibi_slopes, sink, qv, *rest = rest
        page_table, _, _, _, rng_state = rest
        if page_table is not None:
            raise NotSupported(
                "page_table: got a tensor in backward, supported are padded and packed k and v"
            )
        with torch.no_grad():
            # fmt: off
            dq, dk, dv, dqv, dsink = ops.backward(
                dout, dlse, *unpack(packing, q_heads, first, second, third), out, lse,
                options.causal, options.softmax_scale, options.deterministic,
                options.window_left, options.window_right, options.softcap, packing,
                cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
                alibi_slopes, sink, qv, seqused_q, seqused_k,
                options.dropout_p, rng_state, options.attention_chunk, options.sm_margin,
            )
            # fmt: on
        dq, dk, dv, dsink, dqv = _first_order(
            (
                dq,
                None if second is None else dk,
                None if third is None else dv,
                None if sink is None else dsink.to(sink.dtype),
                None if qv is None else dqv,
            ),
            dout,
        )
        # In the order of `forward`: six plain arguments, lengths, alibi_slopes, ..., rng_state.
        return *(None,) * 6, dq, dk, dv, *(None,) * 5, dsink, dqv, *(None,) * 5


class DirectAttention(Attention):
    """The same for `direct.undisturbed` calls."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        """See `Attention`."""
        return _save(ctx, arguments, forward(cpu.attend, *arguments))


def _save(ctx: Any, arguments: tuple[Any, ...], results: tuple[Any, ...]) -> Any:
    options, packing, q_heads, return_lse, max_seqlen_q, max_seqlen_k, *tensors = arguments
    out, lse, probs = results
    ctx.save_for_backward(out, lse, *tensors)
    ctx.plain = options, packing, q_heads, max_seqlen_q, max_seqlen_k
    if not return_lse:
        return out
    ctx.mark_non_differentiable(probs)
    return results


apply_dense_directly = direct_apply(DirectDenseAttention)
apply_directly = direct_apply(DirectAttention)
