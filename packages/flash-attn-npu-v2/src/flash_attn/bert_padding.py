"""Between padded batches [B, S, ...] and the packed tokens [T, ...] of the varlen functions.

Names, parameters and results are those of flash_attn/bert_padding.py in the original package.
Everything works on any device and is differentiable.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._common.errors import InvalidArgument

try:
    # Not used here; clients import them from this module.
    from einops import rearrange, repeat
except ImportError:
    __all__ = []
else:
    __all__ = ["rearrange", "repeat"]

__all__ += [
    "index_first_axis",
    "index_first_axis_residual",
    "index_put_first_axis",
    "pad_input",
    "unpad_input",
    "unpad_input_for_concatenated_sequences",
]


def index_first_axis(input: Tensor, indices: Tensor) -> Tensor:  # noqa: A002
    """Selects rows.

    Args:
      input: [N, ...].
      indices: int64|int32 [T], rows to select.
    Returns:
      [T, ...].
    Raises:
      IndexError: an index is outside of `input`.
    """
    return input.index_select(0, indices)


def index_put_first_axis(values: Tensor, indices: Tensor, first_axis_dim: int) -> Tensor:
    """Puts rows into a tensor of zeros.

    Args:
      values: [T, ...].
      indices: int64 [T], the row of each value, without repetition.
      first_axis_dim: int, rows of the result.
    Returns:
      [first_axis_dim, ...].
    Raises:
      IndexError: an index is outside of the result.
    """
    rows = values.new_zeros((first_axis_dim, *values.shape[1:]))
    return rows.index_copy(0, indices, values)


class _IndexFirstAxisResidual(torch.autograd.Function):
    """A function of its own so that the caller may change the second result in place."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(indices)
        return rows.index_select(0, indices), rows.detach()

    @staticmethod
    def backward(ctx: Any, dselected: Tensor, drows: Tensor) -> tuple[Tensor, None]:
        (indices,) = ctx.saved_tensors
        return drows.index_add(0, indices, dselected), None


def index_first_axis_residual(input: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:  # noqa: A002
    """Selects rows and passes the input on, as a residual connection needs it.

    Args:
      input: [N, ...].
      indices: int64|int32 [T], rows to select.
    Returns:
      ([T, ...], `input`).
    Raises:
      IndexError: an index is outside of `input`.
    """
    results: tuple[Tensor, Tensor] = _IndexFirstAxisResidual.apply(input, indices)
    return results


def unpad_input(
    hidden_states: Tensor, attention_mask: Tensor, unused_mask: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, int, Tensor]:
    """Packs the tokens that a mask selects.

    Args:
      hidden_states: [B, S, ...].
      attention_mask: bool or int [B, S], nonzero for tokens.
      unused_mask: like `attention_mask`, or None: further tokens that get a place but are not used.
    Returns:
      hidden_states [T, ...] of the T selected tokens; indices int64 [T] into [B * S]; cu_seqlens
      int32 [B + 1]; the longest sequence as int (one device synchronisation); seqused int32 [B],
      tokens of each entry without the unused.
    Raises:
      InvalidArgument: the masks are not [B, S].
    """
    _check_mask("attention_mask", attention_mask, hidden_states)
    used = selected = attention_mask != 0
    if unused_mask is not None:
        _check_mask("unused_mask", unused_mask, hidden_states)
        selected = used | (unused_mask != 0)
    indices, cu_seqlens, longest = _positions(selected, selected.sum(-1, dtype=torch.int32))
    seqused = used.sum(-1, dtype=torch.int32)
    return (
        index_first_axis(hidden_states.flatten(0, 1), indices),
        indices,
        cu_seqlens,
        longest,
        seqused,
    )


def unpad_input_for_concatenated_sequences(
    hidden_states: Tensor, attention_mask_in_length: Tensor
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Packs batches in which a row holds several short sequences behind each other.

    Args:
      hidden_states: [B, S, ...].
      attention_mask_in_length: int [B, S]: the lengths of the sequences of a row, then zeros. With
        [2, 3, 0, 0, 0, 0], tokens 0 and 1 are one sequence, 2 to 4 another, and 5 is padding.
    Returns:
      hidden_states [T, ...] of all T tokens; indices int64 [T] into [B * S]; cu_seqlens int32
      [number of sequences + 1]; the longest sequence as int (one device synchronisation).
    Raises:
      InvalidArgument: the lengths are not [B, S], or a row is longer than S.
    """
    lengths = attention_mask_in_length
    _check_mask("attention_mask_in_length", lengths, hidden_states)
    row_lengths = lengths.sum(-1)
    if row_lengths.numel() > 0 and int(row_lengths.max()) > lengths.shape[1]:
        raise InvalidArgument(
            f"attention_mask_in_length: got {int(row_lengths.max())} tokens in a row, expected at "
            f"most {lengths.shape[1]}"
        )
    tokens = torch.arange(lengths.shape[1], device=lengths.device)
    selected = tokens < row_lengths.unsqueeze(1)
    flat = lengths.flatten()
    indices, cu_seqlens, longest = _positions(selected, flat[flat != 0])
    return index_first_axis(hidden_states.flatten(0, 1), indices), indices, cu_seqlens, longest


def pad_input(hidden_states: Tensor, indices: Tensor, batch: int, seqlen: int) -> Tensor:
    """Puts packed tokens back into a padded batch; the inverse of `unpad_input`.

    Args:
      hidden_states: [T, ...].
      indices: int64 [T] into [batch * seqlen], from `unpad_input`.
      batch: int, entries B of the result.
      seqlen: int, tokens S of each entry.
    Returns:
      [B, S, ...], zero where there was no token.
    Raises:
      IndexError: an index is outside of the result.
    """
    rows = index_put_first_axis(hidden_states, indices, batch * seqlen)
    padded: Tensor = rows.unflatten(0, (batch, seqlen))
    return padded


def _positions(selected: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, int]:
    indices = torch.nonzero(selected.flatten()).flatten()
    cu_seqlens = torch.nn.functional.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    longest = int(lengths.max()) if lengths.numel() > 0 else 0
    return indices, cu_seqlens, longest


def _check_mask(name: str, mask: Tensor, hidden_states: Tensor) -> None:
    if mask.shape != hidden_states.shape[:2] or mask.dim() != 2:
        raise InvalidArgument(
            f"{name}: got shape {list(mask.shape)}, expected {list(hidden_states.shape[:2])} "
            "(the first two dimensions of hidden_states)"
        )
