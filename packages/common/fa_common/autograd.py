"""Gradients: autograd functions around the forward, used only when a gradient is wanted.

Direct calls apply them to the CPU implementation. Calls through the dispatcher meet them in the
autograd kernels of the operators, so what torch.export records can still be differentiated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from . import cpu, ops
from .allocate import JOINED_HEADS, SEPARATE, STACKED_KV, STACKED_QKV
from .errors import NotSupported
from .request import Options

_is_grad_enabled = torch.is_grad_enabled


def wants_grad(*tensors: Tensor | None) -> bool:
    """Tells whether autograd is on and wants a gradient of one of the tensors."""
    if _is_grad_enabled():
        for x in tensors:
            if x is not None and x.requires_grad:
                return True
    return False


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
    def forward(
        ctx: Any,
        operator: Callable[..., Any],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        options: tuple[Any, ...],
    ) -> Any:
        """`options`: deterministic, return_lse, then those of the operator."""
        results = operator(q, k, v, *options[2:])
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
        return None, *_first_order((dq, dk, dv), dout), None


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
    return_probs: bool,
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
    """Calls `cpu.attend` or an operator with the same arguments: out, lse, probs."""
    q, k, v = unpack(packing, q_heads, first, second, third)
    # fmt: off
    out, lse, probs = operator(
        q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
        options.causal, options.softmax_scale, options.num_splits,
        options.window_left, options.window_right, options.softcap,
        alibi_slopes, learnable_sink, qv, seqused_q, seqused_k, page_table,
        options.dropout_p, rng_state, return_probs, options.attention_chunk,
        q_descale, k_descale, v_descale, options.pack_gqa, options.sm_margin,
        options.deterministic,
    )
    # fmt: on
    if return_lse and probs is None:
        probs = q.new_empty(0)  # type: ignore[union-attr]
    return out, lse, probs


class Attention(Function):
    """Padded or packed q, k, v, separate or in one tensor, with every option.

    Takes the arguments of `forward` above; returns out, or (out, lse, probs) if `return_lse`.
    """

    @staticmethod
    def forward(ctx: Any, operator: Callable[..., Any], *arguments: Any) -> Any:
        """See the class."""
        results = forward(operator, *arguments)
        options, packing, q_heads, return_lse, _, max_seqlen_q, max_seqlen_k, *tensors = arguments
        out, lse, probs = results
        ctx.save_for_backward(out, lse, *tensors)
        ctx.plain = options, packing, q_heads, max_seqlen_q, max_seqlen_k
        if not return_lse:
            return out
        ctx.mark_non_differentiable(probs)
        return results

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
        # In the order of `forward`: eight plain arguments, q, k, v, lengths, ..., rng_state.
        return *(None,) * 8, dq, dk, dv, *(None,) * 5, dsink, dqv, *(None,) * 5


def direct_apply(function: type[Function]) -> Callable[..., Any]:
    """Returns `function.apply` without its preparations for torch.func, for undisturbed calls."""
    apply: Callable[..., Any] = super(Function, function).apply  # type: ignore[misc]
    return apply


apply_dense_directly = direct_apply(DenseAttention)
apply_directly = direct_apply(Attention)


def _below(operator: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the operator without its autograd kernel."""

    def call(*arguments: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)

    return call


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Names of the parameters in their order, with their defaults."""
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


_forward_dense, _forward = _below(ops.forward_dense), _below(ops.forward)
_DENSE_ARGUMENTS, _ARGUMENTS = _defaults(cpu.forward_dense), _defaults(cpu.attend)
_TENSORS = (
    *("q", "k", "v", "cu_seqlens_q", "cu_seqlens_k", "seqused_q", "seqused_k"),
    *("alibi_slopes", "learnable_sink", "qv", "page_table"),
    *("q_descale", "k_descale", "v_descale", "rng_state"),
)


def _differentiate_dense(*arguments: Any) -> Any:
    """Autograd kernel of `ops.forward_dense`."""
    if not wants_grad(*arguments[:3]):
        return _forward_dense(*arguments)
    given = _DENSE_ARGUMENTS | dict(zip(_DENSE_ARGUMENTS, arguments, strict=False))
    deterministic = given.pop("deterministic")
    q, k, v, *options = given.values()
    return DenseAttention.apply(_forward_dense, q, k, v, (deterministic, True, *options))


def _differentiate(*arguments: Any) -> Any:
    """Autograd kernel of `ops.forward`."""
    given = _ARGUMENTS | dict(zip(_ARGUMENTS, arguments, strict=False))
    if not wants_grad(*(given[name] for name in ("q", "k", "v", "qv", "learnable_sink"))):
        return _forward(*arguments)
    options = Options(**{name: given[name] for name in Options._fields})
    bounds = given["max_seqlen_q"], given["max_seqlen_k"]
    tensors = (given[name] for name in _TENSORS)
    return Attention.apply(
        *(_forward, options, SEPARATE, 0, True, given["return_probs"], *bounds, *tensors)
    )


def refuse_cache_gradient(results: tuple[Tensor, ...], *inputs: Tensor | None) -> Any:
    """Returns the results of a cache operator in a graph whose backward raises NotSupported."""
    reason = "flash_attn_with_kvcache: got a backward, supported is the forward only"
    return *refuse_gradient(reason, results[:2], *inputs), *results[2:]


def _refuse_cache(operator: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the autograd kernel of `ops.forward_kvcache` or `ops.forward_kvcache_append`."""
    forward_only = _below(operator)

    def kernel(*arguments: Any) -> Any:
        results = forward_only(*arguments)
        tensors = [x for x in arguments if isinstance(x, Tensor)]
        return refuse_cache_gradient(results, *tensors) if wants_grad(*tensors) else results

    return kernel


ops.register_autograd("forward_dense", _differentiate_dense)
ops.register_autograd("forward", _differentiate)
for _name in ("forward_kvcache", "forward_kvcache_append"):
    ops.register_autograd(_name, _refuse_cache(getattr(ops, _name)))
