"""The semi-public operators with the parameters of the original; `flash_attn_interface` has them.

Operators `flash_attn_3::_flash_attn_forward` and `_flash_attn_backward` where torch has custom
operators (2.4), plain functions before. Megatron and context parallelism call these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import _semi_public
from ._common import allocate
from ._semi_public import ForwardCall, complete

# Given and not inferred from annotations, because versions of torch infer them differently.
_FORWARD = """(Tensor q, Tensor k, Tensor v, Tensor? k_new=None, Tensor? v_new=None,
  Tensor? qv=None, Tensor? out_=None, Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None,
  Tensor? cu_seqlens_k_new=None, Tensor? seqused_q=None, Tensor? seqused_k=None,
  SymInt? max_seqlen_q=None, SymInt? max_seqlen_k=None, Tensor? page_table=None,
  Tensor? kv_batch_idx=None, Tensor? leftpad_k=None, Tensor? rotary_cos=None,
  Tensor? rotary_sin=None, Tensor? seqlens_rotary=None, Tensor? q_descale=None,
  Tensor? k_descale=None, Tensor? v_descale=None, float? softmax_scale=None, bool causal=False,
  SymInt window_size_left=-1, SymInt window_size_right=-1, SymInt attention_chunk=0,
  float softcap=0.0, bool rotary_interleaved=True, Tensor? scheduler_metadata=None,
  SymInt num_splits=1, bool? pack_gqa=None, SymInt sm_margin=0)
  -> (Tensor, Tensor, Tensor, Tensor)"""
_BACKWARD = """(Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor softmax_lse,
  Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None, Tensor? sequed_q=None,
  Tensor? sequed_k=None, SymInt? max_seqlen_q=None, SymInt? max_seqlen_k=None,
  Tensor(a12!)? dq=None, Tensor(a13!)? dk=None, Tensor(a14!)? dv=None,
  float? softmax_scale=None, bool is_causal=False, SymInt window_size_left=-1,
  SymInt window_size_right=-1, float softcap=0.0, bool deterministic=False, SymInt sm_margin=0)
  -> Tensor"""


def _as_operator(
    schema: str, fake: Callable[..., Any], *written: str
) -> Callable[[Callable[..., Any]], Any]:
    """Makes a function the operator `flash_attn_3::<its name>`."""

    def decorate(function: Callable[..., Any]) -> Any:
        custom_op = getattr(torch.library, "custom_op", None)
        if custom_op is None:
            return function
        operator = custom_op(
            f"flash_attn_3::{function.__name__}",
            function,
            mutates_args=written,
            device_types=["cpu", "privateuseone"],
            schema=" ".join(schema.split()),
        )
        operator.register_fake(fake)
        return operator

    return decorate


def _forward_fake(*arguments: Any, **named: Any) -> Any:
    return _semi_public.fake_forward(
        ForwardCall(*complete("_flash_attn_forward", arguments, named))
    )


@_as_operator(_FORWARD, _forward_fake)
def _flash_attn_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    k_new: Tensor | None = None,
    v_new: Tensor | None = None,
    qv: Tensor | None = None,
    out_: Tensor | None = None,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k: Tensor | None = None,
    cu_seqlens_k_new: Tensor | None = None,
    seqused_q: Tensor | None = None,
    seqused_k: Tensor | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    page_table: Tensor | None = None,
    kv_batch_idx: Tensor | None = None,
    leftpad_k: Tensor | None = None,
    rotary_cos: Tensor | None = None,
    rotary_sin: Tensor | None = None,
    seqlens_rotary: Tensor | None = None,
    q_descale: Tensor | None = None,
    k_descale: Tensor | None = None,
    v_descale: Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size_left: int = -1,
    window_size_right: int = -1,
    attention_chunk: int = 0,
    softcap: float = 0.0,
    rotary_interleaved: bool = True,
    scheduler_metadata: Tensor | None = None,
    num_splits: int = 1,
    pack_gqa: bool | None = None,
    sm_margin: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention of padded or packed inputs, or of a cache: out, lse, out_accum, lse_accum."""
    # fmt: off
    return _semi_public.forward(ForwardCall(
        q, k, v, k_new, v_new, qv, out_, cu_seqlens_q, cu_seqlens_k, cu_seqlens_k_new,
        seqused_q, seqused_k, max_seqlen_q, max_seqlen_k, page_table, kv_batch_idx, leftpad_k,
        rotary_cos, rotary_sin, seqlens_rotary, q_descale, k_descale, v_descale, softmax_scale,
        causal, window_size_left, window_size_right, attention_chunk, softcap,
        rotary_interleaved, scheduler_metadata, num_splits, pack_gqa, sm_margin,
    ))
    # fmt: on


def _backward_fake(*arguments: Any, **named: Any) -> Tensor:
    _, q, _, _, _, lse, cu_seqlens_q, *_ = complete("_flash_attn_backward", arguments, named)
    return allocate.softmax_d(q, lse, cu_seqlens_q)


@_as_operator(_BACKWARD, _backward_fake, "dq", "dk", "dv")
def _flash_attn_backward(
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    softmax_lse: Tensor,
    cu_seqlens_q: Tensor | None = None,
    cu_seqlens_k: Tensor | None = None,
    sequed_q: Tensor | None = None,
    sequed_k: Tensor | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    dq: Tensor | None = None,
    dk: Tensor | None = None,
    dv: Tensor | None = None,
    softmax_scale: float | None = None,
    is_causal: bool = False,
    window_size_left: int = -1,
    window_size_right: int = -1,
    softcap: float = 0.0,
    deterministic: bool = False,
    sm_margin: int = 0,
) -> Tensor:
    """Writes dq, dk and dv; returns softmax_d, rowsum(dout * out)."""
    return _semi_public.backward(
        (dout, q, k, v, out, softmax_lse),
        (dq, dk, dv),
        (cu_seqlens_q, cu_seqlens_k, sequed_q, sequed_k),
        (max_seqlen_q, max_seqlen_k),
        softmax_scale,
        is_causal,
        (window_size_left, window_size_right),
        softcap,
        deterministic,
        sm_margin,
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    ctx.save_for_backward(*output[:2], *tensors)
    ctx.plain = [None if isinstance(x, Tensor) else x for x in inputs]
    ctx.is_tensor = [isinstance(x, Tensor) for x in inputs]
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, dout: Tensor | None, dlse: Tensor | None, *_: Any) -> Any:
    out, lse, *tensors = ctx.saved_tensors
    saved = iter(tensors)
    inputs = [
        next(saved) if given else x for given, x in zip(ctx.is_tensor, ctx.plain, strict=True)
    ]
    call = ForwardCall(*inputs)
    if dout is None:
        dout = torch.zeros_like(out)
    dq, dk, dv, dqv = _semi_public.differentiate(call, dout, out, lse, dlse)
    return dq, dk, dv, None, None, dqv, *(None,) * (len(inputs) - 6)


if hasattr(torch.library, "custom_op"):
    _flash_attn_forward.register_autograd(_differentiate, setup_context=_save)

__all__ = ["_flash_attn_backward", "_flash_attn_forward"]
