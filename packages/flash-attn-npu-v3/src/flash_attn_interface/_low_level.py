"""The operators that the original's native module registers as `torch.ops.flash_attn_3`.

Clients check these schemas before they use the package, so they are the original's to the letter,
with its five results of `bwd`. They compute no gradients by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.library import Library

from . import _semi_public
from ._common import allocate, ops
from ._common.request import dtype_name
from ._semi_public import ForwardCall, complete

SCHEMAS = {
    "fwd": """(Tensor q, Tensor k, Tensor v, Tensor(k_new!)? k_new=None,
  Tensor(v_new!)? v_new=None, Tensor? q_v=None, Tensor(out!)? out=None,
  Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None, Tensor? cu_seqlens_k_new=None,
  Tensor? seqused_q=None, Tensor? seqused_k=None, int? max_seqlen_q=None, int? max_seqlen_k=None,
  Tensor? page_table=None, Tensor? kv_batch_idx=None, Tensor? leftpad_k=None,
  Tensor? rotary_cos=None, Tensor? rotary_sin=None, Tensor? seqlens_rotary=None,
  Tensor? q_descale=None, Tensor? k_descale=None, Tensor? v_descale=None,
  float? softmax_scale=None, bool is_causal=False, int window_size_left=-1,
  int window_size_right=-1, int attention_chunk=0, float softcap=0.0,
  bool is_rotary_interleaved=False, Tensor? scheduler_metadata=None, int num_splits=0,
  bool? pack_gqa=None, int sm_margin=0) -> (Tensor(out!), Tensor, Tensor, Tensor)""",
    "bwd": """(Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor softmax_lse,
  Tensor(dq!)? dq=None, Tensor(dk!)? dk=None, Tensor(dv!)? dv=None, Tensor? cu_seqlens_q=None,
  Tensor? cu_seqlens_k=None, Tensor? seqused_q=None, Tensor? seqused_k=None,
  int? max_seqlen_q=None, int? max_seqlen_k=None, float? softmax_scale=None,
  bool is_causal=False, int window_size_left=-1, int window_size_right=-1, float softcap=0.0,
  bool deterministic=False, int sm_margin=0) -> (Tensor, Tensor, Tensor, Tensor, Tensor)""",
    "fwd_combine": """(Tensor out_partial, Tensor lse_partial, Tensor(out!)? out=None,
  ScalarType? out_dtype=None) -> (Tensor(out!), Tensor)""",
    "get_scheduler_metadata": """(int batch_size, int max_seqlen_q, int max_seqlen_k,
  int num_heads, int num_heads_k, int headdim, int headdim_v, ScalarType qkv_dtype,
  Tensor seqused_k, Tensor? cu_seqlens_q=None, Tensor? cu_seqlens_k=None,
  Tensor? cu_seqlens_k_new=None, Tensor? seqused_q=None, Tensor? leftpad_k=None,
  int? page_size=None, int max_seqlen_k_new=0, bool is_causal=False, int window_size_left=-1,
  int window_size_right=-1, int attention_chunk=0, bool has_softcap=False, int num_splits=0,
  bool? pack_gqa=None, int sm_margin=0) -> Tensor""",
}
_library = Library("flash_attn_3", "FRAGMENT")


def fwd(*arguments: Any, **named: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention of padded or packed inputs, or of a cache: out, lse, out_accum, lse_accum."""
    call = ForwardCall(*complete("fwd", arguments, named))
    out, *rest = _semi_public.forward(call)
    return (out if call.out is None else call.out), *rest  # type: ignore[return-value]


def fake_fwd(*arguments: Any, **named: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shapes and strides of `fwd`."""
    return _semi_public.fake_forward(ForwardCall(*complete("fwd", arguments, named)))


def _scratch(softmax_d: Tensor) -> tuple[Tensor, ...]:
    """What the original returns besides softmax_d is scratch memory, which there is none of."""
    return softmax_d, *(softmax_d.new_empty(0) for _ in range(4))


def bwd(*arguments: Any, **named: Any) -> tuple[Tensor, ...]:
    """Writes dq, dk and dv; returns softmax_d and four empty tensors."""
    given = complete("bwd", arguments, named)
    bounds, options = (given[13], given[14]), given[15:]
    scale, causal, left, right, softcap, deterministic, sm_margin = options
    with torch.no_grad():
        softmax_d = _semi_public.backward(
            *(tuple(given[:6]), tuple(given[6:9]), tuple(given[9:13]), bounds, scale, causal),
            *((left, right), softcap, deterministic, sm_margin),
        )
    return _scratch(softmax_d)


def fake_bwd(*arguments: Any, **named: Any) -> tuple[Tensor, ...]:
    """Shapes of `bwd`."""
    given = complete("bwd", arguments, named)
    return _scratch(allocate.softmax_d(given[1], given[5], given[9]))


def _combine_out(out_partial: Tensor, out: Tensor | None, out_dtype: torch.dtype | None) -> Tensor:
    if out is not None:
        return out
    return out_partial.new_empty(out_partial.shape[1:], dtype=out_dtype or torch.float32)


def fwd_combine(
    out_partial: Tensor,
    lse_partial: Tensor,
    out: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Merges attention over parts of the keys: out and lse [B, S, H]."""
    out = _combine_out(out_partial, out, out_dtype)
    with torch.no_grad():
        return out, ops.combine(out_partial, lse_partial, out).transpose(1, 2)


def fake_fwd_combine(
    out_partial: Tensor,
    lse_partial: Tensor,  # noqa: ARG001
    out: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Shapes and strides of `fwd_combine`."""
    lse = allocate.combined_lse(out_partial).transpose(1, 2)
    return _combine_out(out_partial, out, out_dtype), lse


def get_scheduler_metadata(*arguments: Any, **named: Any) -> Tensor:
    """A plan for calls of `fwd` with a cache of these sizes."""
    given = complete("get_scheduler_metadata", arguments, named)
    batch, max_q, max_k, q_heads, kv_heads, head_dim, value_dim, dtype, seqused_k = given[:9]
    page_size, new_keys, causal, left, right, chunk, has_softcap = given[14:21]
    num_splits, pack_gqa, sm_margin = given[21:]
    # fmt: off
    metadata: Tensor = ops.scheduler_metadata(
        seqused_k, dtype_name("qkv_dtype", dtype), batch, max_q, max_k + new_keys,
        q_heads, kv_heads, head_dim, value_dim, page_size or 0, causal, left, right, chunk,
        has_softcap, num_splits, _semi_public.pack_gqa_code(pack_gqa), sm_margin,
    )
    # fmt: on
    return metadata


def _register(name: str, real: Callable[..., Any], fake: Callable[..., Any]) -> None:
    _library.define(name + " ".join(SCHEMAS[name].split()))
    for device in ("CPU", "PrivateUse1"):
        _library.impl(name, real, device)
    if hasattr(torch.library, "register_fake"):
        torch.library.register_fake(f"flash_attn_3::{name}", fake, lib=_library)
    else:
        _library.impl(name, fake, "Meta")


_register("fwd", fwd, fake_fwd)
_register("bwd", bwd, fake_bwd)
_register("fwd_combine", fwd_combine, fake_fwd_combine)
_register("get_scheduler_metadata", get_scheduler_metadata, get_scheduler_metadata)
