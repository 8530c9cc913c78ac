"""Rotary embedding without autograd; `layers.rotary` has it with gradients."""

from __future__ import annotations

from torch import Tensor

from flash_attn._layers import rotary as _rotary


def apply_rotary(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    seqlen_offsets: int | Tensor = 0,
    cu_seqlens: Tensor | None = None,
    max_seqlen: int | None = None,
    interleaved: bool = False,
    inplace: bool = False,
    conjugate: bool = False,
) -> Tensor:
    """Rotates the first rotary_dim dims of each head by the angle of its position.

    Args:
      x: [B, S, H, D], or packed [T, H, D] with `cu_seqlens`; any strides.
      cos: fp32|fp16|bf16 [rotary_len, rotary_dim / 2].
      sin: like `cos`.
      seqlen_offsets: int, or int32|int64 [B]: position of the first token of each sequence. Tokens
          at positions outside of `cos` stay as they are (tensor only; an int is checked).
      cu_seqlens: int32 [B + 1] or None: token t belongs to sequence b if cu_seqlens[b] <= t <
          cu_seqlens[b + 1]. Other tokens stay as they are.
      max_seqlen: int, at least the longest sequence; needed with `cu_seqlens`.
      interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i + rotary_dim / 2.
      inplace: bool. Writes to `x` and returns it.
      conjugate: bool. Rotates backwards.
    Returns:
      Like `x`; computed in fp32 and rounded once.
    Raises:
      InvalidArgument: shapes, dtypes, devices or values do not fit.
    Source:
      Semantics of flash_attn/ops/triton/rotary.py in the original package.
    """
    return _rotary.apply(
        x, cos, sin, seqlen_offsets, cu_seqlens, max_seqlen, interleaved, inplace, conjugate
    )
