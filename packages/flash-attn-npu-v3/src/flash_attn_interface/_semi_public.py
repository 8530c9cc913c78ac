"""What the operators below the public functions mean, in terms of the operators of this package.

`_operators` and `_low_level` name them as the original does. Here nothing has a default.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._common import allocate, ops
from ._common.errors import InvalidArgument, NotSupported


class ForwardCall(NamedTuple):
    """The arguments of the original's forward, in its order; it is one function for all inputs."""

    q: Tensor
    k: Tensor
    v: Tensor
    k_new: Tensor | None
    v_new: Tensor | None
    qv: Tensor | None
    out: Tensor | None
    cu_seqlens_q: Tensor | None
    cu_seqlens_k: Tensor | None
    cu_seqlens_k_new: Tensor | None
    seqused_q: Tensor | None
    seqused_k: Tensor | None
    max_seqlen_q: int | None
    max_seqlen_k: int | None
    page_table: Tensor | None
    kv_batch_idx: Tensor | None
    leftpad_k: Tensor | None
    rotary_cos: Tensor | None
    rotary_sin: Tensor | None
    seqlens_rotary: Tensor | None
    q_descale: Tensor | None
    k_descale: Tensor | None
    v_descale: Tensor | None
    softmax_scale: float | None
    causal: bool
    window_size_left: int
    window_size_right: int
    attention_chunk: int
    softcap: float
    rotary_interleaved: bool
    scheduler_metadata: Tensor | None
    num_splits: int
    pack_gqa: bool | None
    sm_margin: int


def complete(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    """The arguments of an operator in their order, with the defaults that torch leaves out."""
    schema = getattr(torch.ops.flash_attn_3, name).default._schema
    rest = schema.arguments[len(arguments) :]
    return [*arguments, *(named.get(a.name, a.default_value) for a in rest)]


# What only a key/value cache has.
_OF_CACHES = (
    *("k_new", "v_new", "cu_seqlens_k_new", "kv_batch_idx", "leftpad_k"),
    *("rotary_cos", "rotary_sin", "seqlens_rotary", "scheduler_metadata"),
)


def _given(call: ForwardCall, *names: str) -> list[str]:
    return [name for name in names if getattr(call, name) is not None]


def reads_cache(call: ForwardCall) -> bool:
    """Tells whether k and v are a cache: what a call gives decides, as in the original."""
    names = _given(call, *_OF_CACHES)
    if call.cu_seqlens_q is not None and call.cu_seqlens_k is None:
        names.append("cu_seqlens_q without cu_seqlens_k")
    if call.num_splits > 1 and call.cu_seqlens_k is None and call.seqused_q is None:
        return True
    names += _given(call, "page_table")
    others = _given(call, "cu_seqlens_k", "seqused_q")
    if names and others:
        raise InvalidArgument(
            f"{others[0]}: got a tensor, expected None for a key/value cache ({names[0]})"
        )
    return bool(names)


def forward(call: ForwardCall) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention: out, lse, out_accum, lse_accum; writes new keys to the cache, and out."""
    results = _forward_cache(call) if reads_cache(call) else _forward_inputs(call)
    if call.out is not None:
        if call.out.shape != results[0].shape or call.out.dtype != results[0].dtype:
            raise InvalidArgument(
                f"out: got shape {list(call.out.shape)} and dtype {call.out.dtype}, "
                f"expected {list(results[0].shape)} and {results[0].dtype}"
            )
        call.out.copy_(results[0])
    return results


def _forward_inputs(call: ForwardCall) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    # fmt: off
    out, lse, _ = ops.forward(
        call.q, call.k, call.v, call.cu_seqlens_q, call.cu_seqlens_k,
        *_bounds(call.max_seqlen_q, call.max_seqlen_k, call.cu_seqlens_q, call.cu_seqlens_k),
        call.causal, call.softmax_scale, call.num_splits,
        call.window_size_left, call.window_size_right, call.softcap,
        None, None, call.qv, call.seqused_q, call.seqused_k, None,  # alibi, sink; page_table
        0.0, None, False,  # dropout_p, rng_state, return_probs
        call.attention_chunk, call.q_descale, call.k_descale, call.v_descale,
        pack_gqa_code(call.pack_gqa), call.sm_margin,
    )
    # fmt: on
    return out, lse, *_no_partials(out)


def _forward_cache(call: ForwardCall) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    max_q, _ = _bounds(call.max_seqlen_q, None, call.cu_seqlens_q, None)
    head = (call.q, call.k, call.v, call.seqused_k, call.page_table)
    head += (call.causal, call.softmax_scale)  # type: ignore[assignment]
    # fmt: off
    tail = (
        call.num_splits, call.window_size_left, call.window_size_right, call.softcap,
        call.cu_seqlens_q, max_q, call.kv_batch_idx, call.leftpad_k, call.scheduler_metadata,
        None, None, call.qv,  # alibi_slopes, learnable_sink
        call.q_descale, call.k_descale, call.v_descale,
        call.attention_chunk, pack_gqa_code(call.pack_gqa), call.sm_margin, True,
    )
    new_keys = (
        call.k_new, call.v_new, call.rotary_cos, call.rotary_sin, call.seqlens_rotary,
        call.cu_seqlens_k_new,
    )
    # fmt: on
    results: tuple[Tensor, Tensor, Tensor, Tensor]
    if any(x is not None for x in new_keys):
        results = ops.forward_kvcache_append(*head, *new_keys, call.rotary_interleaved, *tail)
    else:
        results = ops.forward_kvcache(*head, *tail)
    return results


def fake_forward(call: ForwardCall) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shapes and strides of `forward`; refuses to trace what writes to its inputs."""
    written = _given(call, "k_new", "v_new", "out")
    if written:
        raise TypeError(
            f"{written[0]}: got a tensor while tracing, expected None (the schema of the original "
            "does not declare what is written; flash_attn_with_kvcache can be traced)"
        )
    out, lse = allocate.attention_outputs(call.q, call.v, call.cu_seqlens_q is not None)
    splits = call.num_splits if reads_cache(call) else 0
    out_accum, lse_accum = allocate.split_partials(out, splits)
    if out_accum is None or lse_accum is None:
        return out, lse, *_no_partials(out)
    return out, lse, out_accum, lse_accum


def differentiate(call: ForwardCall, dout: Tensor, out: Tensor, lse: Tensor, dlse: Any) -> Any:
    """Gradients of q, k, v and qv."""
    if reads_cache(call):
        raise NotSupported(
            "_flash_attn_forward: got a backward of attention to a cache, supported are padded and "
            "packed k and v"
        )
    # fmt: off
    dq, dk, dv, dqv, _ = ops.backward(
        dout, dlse, call.q, call.k, call.v, out, lse, call.causal, call.softmax_scale, False,
        call.window_size_left, call.window_size_right, call.softcap, allocate.SEPARATE,
        call.cu_seqlens_q, call.cu_seqlens_k,
        *_bounds(call.max_seqlen_q, call.max_seqlen_k, call.cu_seqlens_q, call.cu_seqlens_k),
        None, None, call.qv, call.seqused_q, call.seqused_k,  # alibi_slopes, learnable_sink
        0.0, None, call.attention_chunk, call.sm_margin,
    )
    # fmt: on
    return dq, dk, dv, None if call.qv is None else dqv


def backward(
    tensors: tuple[Tensor, ...],  # dout, q, k, v, out, softmax_lse
    gradients: tuple[Tensor | None, ...],  # dq, dk, dv
    lengths: tuple[Tensor | None, ...],  # cu_seqlens_q, cu_seqlens_k, seqused_q, seqused_k
    max_seqlens: tuple[int | None, int | None],
    softmax_scale: float | None,
    causal: bool,
    window: tuple[int, int],
    softcap: float,
    deterministic: bool,
    sm_margin: int,
) -> Tensor:
    """Writes the gradients that are wanted and returns rowsum(dout * out)."""
    given = [
        torch.empty_like(x) if g is None else g
        for g, x in zip(gradients, tensors[1:4], strict=True)
    ]
    cu_seqlens_q, cu_seqlens_k, seqused_q, seqused_k = lengths
    # fmt: off
    delta: Tensor = ops.backward_into(
        *tensors, *given, causal, softmax_scale, deterministic, *window, softcap,
        cu_seqlens_q, cu_seqlens_k, *_bounds(*max_seqlens, cu_seqlens_q, cu_seqlens_k),
        None, seqused_q, seqused_k, 0.0, None, sm_margin,  # alibi_slopes; dropout_p, rng_state
    )
    # fmt: on
    return delta


def pack_gqa_code(value: bool | None) -> int:
    """The operators' form of `pack_gqa`."""
    return -1 if value is None else int(value)


def _bounds(
    max_q: int | None, max_k: int | None, cu_seqlens_q: Tensor | None, cu_seqlens_k: Tensor | None
) -> tuple[int, int]:
    for side, bound, cu_seqlens in (("q", max_q, cu_seqlens_q), ("k", max_k, cu_seqlens_k)):
        if bound is None and cu_seqlens is not None:
            raise InvalidArgument(
                f"max_seqlen_{side}: got None, expected an int with cu_seqlens_{side}"
            )
    return -1 if max_q is None else max_q, -1 if max_k is None else max_k


def _no_partials(out: Tensor) -> tuple[Tensor, Tensor]:
    return out.new_empty(0, dtype=torch.float32), out.new_empty(0, dtype=torch.float32)
