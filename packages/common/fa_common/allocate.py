"""Outputs of the operators. The fakes use the same functions, so their strides always agree."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .errors import InvalidArgument

_FLOAT8, _FLOAT32 = torch.float8_e4m3fn, torch.float32
_CONTIGUOUS = torch.contiguous_format


def like_q(q: Tensor) -> Tensor:
    """Returns a contiguous tensor like q. `empty_like` is the faster one on the CPU; torch_npu's
    warns of its own formats."""
    if q.is_cpu:
        return torch.empty_like(q, memory_format=_CONTIGUOUS)
    return q.new_empty(q.shape)


# The first dimension of `out_accum`; more is refused by the core, so nothing is allocated for it.
_MAX_SPLITS = 256

SEPARATE = 0  # q, k, v
STACKED_QKV = 1  # [..., 3, H, D]
STACKED_KV = 2  # q and [..., 2, Hkv, D]
JOINED_HEADS = 3  # [..., Hq + 2 * Hkv, D]


class InputGradients(NamedTuple):
    """Gradients to write (dq, dk, dv) and the tensors to return (their memory, packed or not)."""

    dq: Tensor
    dk: Tensor
    dv: Tensor
    results: tuple[Tensor, Tensor, Tensor]


def attention_outputs(q: Tensor, v: Tensor, packed: bool) -> tuple[Tensor, Tensor]:
    """Returns out and lse, contiguous: [B, Sq, Hq, Dv] and [B, Hq, Sq], packed [Tq, Hq, Dv] and
    [Hq, Tq]. fp8 inputs give bf16."""
    shape, value_shape = q.shape, v.shape
    if len(shape) != (3 if packed else 4):
        expected = "[Tq, Hq, D] with cu_seqlens_q" if packed else "[B, Sq, Hq, D]"
        raise InvalidArgument(f"q: got shape {list(shape)}, expected {expected}")
    if not value_shape:
        raise InvalidArgument("v: got a tensor without dimensions, expected [..., Hkv, Dv]")
    if packed:
        tokens, heads, head_dim = shape
        lse = q.new_empty((heads, tokens), dtype=_FLOAT32)
    else:
        batch, tokens, heads, head_dim = shape
        lse = q.new_empty((batch, heads, tokens), dtype=_FLOAT32)
    if q.dtype is _FLOAT8:
        return q.new_empty((*shape[:-1], value_shape[-1]), dtype=torch.bfloat16), lse
    if value_shape[-1] == head_dim:  # the cheapest way
        return like_q(q), lse
    return q.new_empty((*shape[:-1], value_shape[-1])), lse


def dropout_probs(
    q: Tensor, k: Tensor, cu_seqlens_q: Tensor | None, max_seqlen_q: int, max_seqlen_k: int
) -> Tensor:
    """Returns S_dmask [B, Hq, R(Sq), R(Skv)] in the dtype of q, R rounds up to 128."""
    if cu_seqlens_q is None:
        batch, q_len, heads, _ = q.shape
    else:
        batch, q_len, heads = cu_seqlens_q.numel() - 1, max_seqlen_q, q.shape[1]
    kv_len = max_seqlen_k if max_seqlen_k >= 0 or k.dim() != 4 else k.shape[1]
    if batch < 0 or q_len < 0 or kv_len < 0:
        return q.new_empty(0)  # the core refuses such a call
    return q.new_empty((batch, heads, (q_len + 127) // 128 * 128, (kv_len + 127) // 128 * 128))


def split_partials(out: Tensor, num_splits: int) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Returns out_accum and lse_accum, fp32 [num_splits, B, Hq, Sq(, Dv)] or packed
    [num_splits, Hq, Tq(, Dv)], if the split count is explicit."""
    if not 1 < num_splits <= _MAX_SPLITS:
        return None, None
    if out.dim() == 3:
        tokens, heads, value_dim = out.shape
        rows: tuple[int, ...] = (num_splits, heads, tokens)
    else:
        batch, tokens, heads, value_dim = out.shape
        rows = (num_splits, batch, heads, tokens)
    lse_accum = out.new_empty(rows, dtype=_FLOAT32)
    return out.new_empty((*rows, value_dim), dtype=_FLOAT32), lse_accum


def input_gradients(q: Tensor, k: Tensor, v: Tensor, packing: int) -> InputGradients:
    """Returns contiguous gradients; those of a packed input share one tensor of its shape."""
    if packing == STACKED_QKV:
        dqkv = q.new_empty((*q.shape[:-2], 3, *q.shape[-2:]))
        dq, dk, dv = dqkv.unbind(-3)
        return InputGradients(dq, dk, dv, (dqkv, q.new_empty(0), q.new_empty(0)))
    if packing == STACKED_KV:
        dq = q.new_empty(q.shape)
        dkv = k.new_empty((*k.shape[:-2], 2, *k.shape[-2:]))
        dk, dv = dkv.unbind(-3)
        return InputGradients(dq, dk, dv, (dq, dkv, q.new_empty(0)))
    if packing == JOINED_HEADS:
        heads = [q.shape[-2], k.shape[-2], k.shape[-2]]
        dqkv = q.new_empty((*q.shape[:-2], sum(heads), q.shape[-1]))
        dq, dk, dv = dqkv.split(heads, -2)
        return InputGradients(dq, dk, dv, (dqkv, q.new_empty(0), q.new_empty(0)))
    dq, dk, dv = q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)
    return InputGradients(dq, dk, dv, (dq, dk, dv))


def extra_gradients(
    q: Tensor, qv: Tensor | None, learnable_sink: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns dqv in the dtype of qv and dsink in fp32, empty for what is not given."""
    dqv = q.new_empty(0 if qv is None else qv.shape)
    sink_shape = 0 if learnable_sink is None else learnable_sink.shape
    return dqv, q.new_empty(sink_shape, dtype=torch.float32)


def softmax_d(q: Tensor, lse: Tensor, cu_seqlens_q: Tensor | None) -> Tensor:
    """Returns room for rowsum(dout * out): fp32 [B, Hq, R(Sq)], R rounding up to 128, or packed
    [Hq, Tq + 128 * B]; zero where no row is."""
    if cu_seqlens_q is None:
        batch, tokens, heads = q.shape[:3]
        return lse.new_zeros((batch, heads, (tokens + 127) // 128 * 128))
    tokens, heads = q.shape[:2]
    return lse.new_zeros((heads, tokens + 128 * max(cu_seqlens_q.shape[0] - 1, 0)))


def combined_lse(out_partial: Tensor) -> Tensor:
    """Returns lse [B, H, S] for partials [num_splits, B, S, H, Dv]."""
    if out_partial.dim() != 5:
        raise InvalidArgument(
            f"out_partial: got shape {list(out_partial.shape)}, expected [num_splits, B, S, H, Dv]"
        )
    _, batch, tokens, heads, _ = out_partial.shape
    return out_partial.new_empty((batch, heads, tokens), dtype=torch.float32)
