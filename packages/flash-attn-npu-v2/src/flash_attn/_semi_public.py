"""The operators below the public functions of the original, as its clients call them.

Here is what each means in terms of the operators of this package; `flash_attn_interface` names
them. `max_seqlen`, windows and scale are plain values, nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._common import allocate, ops
from ._common.errors import NotSupported
from ._common.rng import draw_state

# Name: schema without the name, and what it writes. The schemas are given, not inferred from
# annotations, because older versions of torch infer them differently.
_OPTIONS = """float dropout_p, float softmax_scale, bool causal,
  SymInt window_size_left{minus_one}, SymInt window_size_right{minus_one}, float softcap{zero},
  Tensor? alibi_slopes{none}"""
_REQUIRED = _OPTIONS.format(minus_one="", zero="", none="")
_OPTIONAL = _OPTIONS.format(minus_one="=-1", zero="=0.0", none="=None")
_LENGTHS = "Tensor cu_seqlens_q, Tensor cu_seqlens_k, SymInt max_seqlen_q, SymInt max_seqlen_k"
_GRADIENTS = """Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor softmax_lse,
  Tensor(a6!)? dq, Tensor(a7!)? dk, Tensor(a8!)? dv"""
SCHEMAS = {
    "_flash_attn_forward": f"""(Tensor q, Tensor k, Tensor v, {_REQUIRED}, bool return_softmax)
  -> (Tensor, Tensor, Tensor, Tensor)""",
    "_flash_attn_varlen_forward": f"""(Tensor q, Tensor k, Tensor v, {_LENGTHS}, {_OPTIONAL},
  bool return_softmax=False, Tensor? block_table=None, Tensor? leftpad_k=None,
  Tensor? seqused_k=None, bool zero_tensors=False, SymInt num_splits=0)
  -> (Tensor, Tensor, Tensor, Tensor)""",
    "_flash_attn_backward": f"""({_GRADIENTS}, {_REQUIRED}, bool deterministic,
  Tensor? rng_state=None) -> Tensor""",
    "_flash_attn_varlen_backward": f"""({_GRADIENTS}, {_LENGTHS}, {_REQUIRED}, bool deterministic,
  Tensor? rng_state=None, bool zero_tensors=False) -> Tensor""",
}
_WRITTEN = ("dq", "dk", "dv")


def as_operator(
    fake: Callable[..., Any],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function the operator `flash_attn::<its name>`, where torch has custom operators."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        custom_op = getattr(torch.library, "custom_op", None)
        if custom_op is None:
            return function
        name = function.__name__
        operator: Any = custom_op(
            f"flash_attn::{name}",
            function,
            mutates_args=_WRITTEN if name.endswith("backward") else (),
            device_types=["cpu", "privateuseone"],
            schema=" ".join(SCHEMAS[name].split()),
        )
        operator.register_fake(fake)
        return operator  # type: ignore[no-any-return]

    return decorate


def dispatched(operator: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The operator as `torch.ops` has it; the function itself where torch has no such thing."""
    if hasattr(torch.library, "custom_op"):
        packet: Callable[..., Any] = getattr(torch.ops.flash_attn, name)
        return packet
    return operator


def forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lengths: tuple[Any, ...],  # cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window: tuple[int, int],
    softcap: float,
    alibi_slopes: Tensor | None,
    return_softmax: bool,
    block_table: Tensor | None = None,
    leftpad_k: Tensor | None = None,
    seqused_k: Tensor | None = None,
    num_splits: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention: out, lse, S_dmask (or empty), random state."""
    if leftpad_k is not None:
        raise NotSupported(
            "leftpad_k: got a tensor, supported is None "
            "(flash_attn_with_kvcache has cache_leftpad for key/value caches)"
        )
    rng_state = draw_state() if dropout_p > 0 else torch.zeros(2, dtype=torch.int64)
    # fmt: off
    out, lse, probs = ops.forward(
        q, k, v, *lengths, causal, softmax_scale, num_splits, *window, softcap,
        alibi_slopes, None, None, None, seqused_k, block_table,  # learnable_sink, qv, seqused_q
        dropout_p, rng_state if dropout_p > 0 else None, return_softmax and dropout_p > 0,
    )
    # fmt: on
    return out, lse, probs, rng_state


def fake_forward(
    q: Tensor, k: Tensor, v: Tensor, lengths: tuple[Any, ...], with_probs: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shapes and strides of `forward`."""
    out, lse = allocate.attention_outputs(q, v, lengths[0] is not None)
    probs = q.new_empty(0)
    if with_probs:
        probs = allocate.dropout_probs(q, k, lengths[0], lengths[2], lengths[3])
    return out, lse, probs, torch.empty(2, dtype=torch.int64, device="cpu")


def backward(
    tensors: tuple[Tensor, ...],  # dout, q, k, v, out, softmax_lse
    gradients: tuple[Tensor | None, ...],  # dq, dk, dv
    lengths: tuple[Any, ...],
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window: tuple[int, int],
    softcap: float,
    alibi_slopes: Tensor | None,
    deterministic: bool,
    rng_state: Tensor | None,
) -> Tensor:
    """Writes the gradients that are wanted and returns rowsum(dout * out)."""
    given = [
        torch.empty_like(x) if g is None else g
        for g, x in zip(gradients, tensors[1:4], strict=True)
    ]
    return ops.backward_into(  # type: ignore[no-any-return]
        *(*tensors, *given, causal, softmax_scale, deterministic, *window, softcap, *lengths),
        *(alibi_slopes, None, None, dropout_p, rng_state),  # seqused_q, seqused_k
    )
