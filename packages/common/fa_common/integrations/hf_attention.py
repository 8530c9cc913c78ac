"""Attention as models of Hugging Face transformers call it, on the functions of this package.

Only torch is needed here: the arguments are tensors, numbers and the calling module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import InvalidArgument, NotSupported  # noqa: TID252, a folder without absolute name


class Functions(NamedTuple):
    """The public functions of one package."""

    dense: Callable[..., Any]
    varlen: Callable[..., Any]
    has_dropout: bool


class Packed(NamedTuple):
    """Where the sequences of one row begin, and the longest of them."""

    cu_seqlens_q: Tensor
    cu_seqlens_k: Tensor
    max_seqlen_q: Any
    max_seqlen_k: Any


def make_attention(functions: Functions) -> Callable[..., tuple[Tensor, None]]:
    """Returns a function for the `AttentionInterface` of transformers."""

    def attention(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: float | None = None,
        is_causal: bool | None = None,
        s_aux: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        """Attention of query [B, Hq, Sq, D], key and value [B, Hkv, Skv, D].

        Args:
          attention_mask: [B, Skv], not 0 where a token is, or None.
          s_aux: [Hq], learnable sinks.
          kwargs: `cu_seq_lens_q` and the like or `position_ids` of packed sequences, and
              `deterministic`.
        Returns:
          (out [B, Sq, Hq, D], None). Rows of padding are 0.
        """
        _refuse(module, kwargs, key.shape[2])
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        options: dict[str, Any] = {"softmax_scale": scaling, "causal": causal}
        options["deterministic"] = bool(kwargs.get("deterministic") or False)
        if sliding_window is not None:
            options["window_size"] = (sliding_window - 1, sliding_window - 1)
        if softcap is not None:
            options["softcap"] = softcap
        if s_aux is not None:
            options["learnable_sink"] = s_aux
        if functions.has_dropout:
            options["dropout_p"] = dropout
        elif dropout > 0:
            raise NotSupported(
                f"dropout: got {dropout}, supported is 0 (the v2 package has dropout)"
            )
        # Rotary embedding under autocast leaves q and k in fp32 and v in the dtype of the model.
        q, k, v = (x.transpose(1, 2).to(value.dtype) for x in (query, key, value))
        if attention_mask is not None:
            return _padded(functions, q, k, v, attention_mask, sliding_window, options), None
        packed = _packed(q, k, kwargs)
        if packed is None:
            return functions.dense(q, k, v, **options), None
        # [B, S, H, D] with one row of sequences; a cut of it would be read in place as well.
        out = functions.varlen(*(x.flatten(0, 1) for x in (q, k, v)), *packed, **options)
        return out.unflatten(0, q.shape[:2]), None

    return attention


def _refuse(module: torch.nn.Module, kwargs: dict[str, Any], keys: int) -> None:
    """What would change the result and is not computed."""
    for name in ("output_attentions", "position_bias", "head_mask"):
        value = kwargs.get(name)
        if value is not None and value is not False:
            raise NotSupported(f"{name}: got {type(value).__name__}, supported is None or False")
    chunk = getattr(getattr(module, "config", None), "attention_chunk_size", None)
    if chunk is not None and keys > chunk:
        raise NotSupported(
            f"attention_chunk_size: got {chunk} with {keys} keys, supported are models without "
            "chunked attention (the mask of a chunk does not reach this function)"
        )


def _packed(q: Tensor, k: Tensor, kwargs: dict[str, Any]) -> Packed | None:
    names = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k")
    given = [kwargs.get(name) for name in names]
    if all(value is not None for value in given):
        starts_q, starts_k, longest_q, longest_k = given
        return Packed(_int32(starts_q), _int32(starts_k), longest_q, longest_k)
    positions = kwargs.get("position_ids")
    if positions is None or q.shape[0] != 1 or q.shape[1] == 1 or q.shape[1] != k.shape[1]:
        return None
    positions = positions.reshape(-1)
    if positions.numel() != q.shape[1]:  # several positions for each token: not packed
        return None
    first = positions.min()
    if bool((positions == first + torch.arange(len(positions), device=positions.device)).all()):
        return None
    starts = (positions == first).nonzero().flatten()
    ends = starts.new_tensor([len(positions)])
    cu_seqlens = torch.cat([starts, ends]).to(torch.int32)
    longest = int(cu_seqlens.diff().max())
    return Packed(cu_seqlens, cu_seqlens, longest, longest)


def _int32(value: Any) -> Tensor:
    lengths: Tensor = value.to(torch.int32)
    return lengths


def _lengths(mask: Tensor) -> tuple[Tensor, int]:
    """cu_seqlens and the longest sequence of a mask [B, S]."""
    counts = mask.sum(-1, dtype=torch.int32)
    cu_seqlens = torch.nn.functional.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
    return cu_seqlens, int(counts.max())


def _padded(
    functions: Functions,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attention_mask: Tensor,
    sliding_window: int | None,
    options: dict[str, Any],
) -> Tensor:
    """Attention without the padding that a mask [B, Skv] shows."""
    if attention_mask.dim() != 2:
        raise InvalidArgument(
            f"attention_mask: got shape {list(attention_mask.shape)}, expected [B, Skv] "
            "(a padding mask; other masks are not supported)"
        )
    mask = attention_mask.bool()
    # A static cache is longer than what has been written to it.
    tokens = mask.shape[1]
    k, v = k[:, :tokens], v[:, :tokens]
    batch, queries = q.shape[:2]
    if not options["causal"] and sliding_window is None:
        mask_q = mask.new_ones((batch, queries))  # the mask is about keys, also of an encoder
    elif queries > tokens:
        raise InvalidArgument(
            f"attention_mask: got {tokens} columns, expected at least {queries} (the queries)"
        )
    else:
        mask_q = mask[:, tokens - queries :]
    (starts_q, longest_q), (starts_k, longest_k) = _lengths(mask_q), _lengths(mask)
    packed: Tensor = functions.varlen(
        *(q[mask_q], k[mask], v[mask], starts_q, starts_k, longest_q, longest_k), **options
    )
    out = packed.new_zeros((batch, queries, *packed.shape[1:]))
    return out.masked_scatter(mask_q[:, :, None, None], packed)
