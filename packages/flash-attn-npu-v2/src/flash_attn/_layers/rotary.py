"""Rotary embedding of the first dims of a tensor: the operators `rotary` and `rotary_`.

The second works in place and, as in the original, does not tell autograd: clients rotate several
views of one tensor, such as those of `unbind`, which autograd would refuse.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flash_attn._common.errors import InvalidArgument
from flash_attn._common.request import describe, flag, integer, tensor
from flash_attn._common.wheel import native

from .register import define, is_native

_ARGUMENTS = """Tensor cos, Tensor sin, Tensor? offsets, SymInt offset, Tensor? cu_seqlens,
  bool interleaved, bool conjugate"""


def _positions(x: Tensor, offsets: Tensor | None, offset: int, cu_seqlens: Tensor | None) -> Tensor:
    """Position of each token, [S], [B, S] or packed [T]; -1 for tokens of no sequence."""
    if cu_seqlens is None:
        steps = torch.arange(x.shape[1], device=x.device)
        return steps + offset if offsets is None else steps + offsets.unsqueeze(1)
    tokens = torch.arange(x.shape[0], device=x.device)
    bounds = cu_seqlens.to(torch.int64)
    entry = torch.searchsorted(bounds, tokens, right=True) - 1
    inside = (entry >= 0) & (entry < bounds.shape[0] - 1)
    entry = entry.clamp(0, max(bounds.shape[0] - 2, 0))
    shift = offset if offsets is None else offsets[entry]
    return torch.where(inside, tokens - bounds[entry] + shift, -1)


def _rotated(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    offsets: Tensor | None,
    offset: int,
    cu_seqlens: Tensor | None,
    interleaved: bool,
    conjugate: bool,
) -> Tensor:
    """The rotated dims, fp32 inside, in the dtype of x."""
    positions = _positions(x, offsets, offset, cu_seqlens)
    known = ((positions >= 0) & (positions < cos.shape[0])).unsqueeze(-1)
    rows = positions.clamp(0, max(cos.shape[0] - 1, 0))
    # Tokens without a row of the tables stay as they are.
    c = torch.where(known, cos[rows].float(), 1.0).unsqueeze(-2)
    s = torch.where(known, sin[rows].float(), 0.0).unsqueeze(-2)
    if conjugate:
        s = -s
    part = x[..., : 2 * cos.shape[1]].float()
    if interleaved:
        even, odd = part[..., ::2], part[..., 1::2]
        pairs = torch.stack((even * c - odd * s, even * s + odd * c), -1)
        return pairs.flatten(-2).to(x.dtype)
    low, high = part.chunk(2, -1)
    return torch.cat((low * c - high * s, low * s + high * c), -1).to(x.dtype)


def _plain(x: Tensor, cos: Tensor, *rest: Any) -> Tensor:
    out = torch.empty_like(x)
    width = 2 * cos.shape[1]
    out[..., :width] = _rotated(x, cos, *rest)
    out[..., width:] = x[..., width:]
    return out


def _plain_in_place(x: Tensor, cos: Tensor, *rest: Any) -> None:
    x.data[..., : 2 * cos.shape[1]] = _rotated(x, cos, *rest)


def _native_into(
    out: Tensor,
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    offsets: Tensor | None,
    offset: int,
    cu_seqlens: Tensor | None,
    interleaved: bool,
    conjugate: bool,
) -> None:
    offsets = None if offsets is None else offsets.contiguous()
    cu_seqlens = None if cu_seqlens is None else cu_seqlens.contiguous()
    # fmt: off
    native.rotary(
        x, out, cos, sin, offsets, offset, cu_seqlens, interleaved, conjugate,
        torch.get_num_threads(),
    )
    # fmt: on


def _native_in_place(x: Tensor, cos: Tensor, sin: Tensor, *rest: Any) -> None:
    if not is_native(x, cos, sin):
        _plain_in_place(x, cos, sin, *rest)
        return
    _native_into(x, x, cos, sin, *rest)


def _native(x: Tensor, cos: Tensor, sin: Tensor, *rest: Any) -> Tensor:
    out = torch.empty_like(x)
    if not is_native(x, cos, sin, out):
        return _plain(x, cos, sin, *rest)
    _native_into(out, x, cos, sin, *rest)
    return out


def _fake(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _fake_in_place(*_: Any) -> None:
    return None


rotary = define(f"rotary(Tensor x, {_ARGUMENTS}) -> Tensor", _plain, _native, _fake)
rotary_ = define(
    f"rotary_(Tensor(a!) x, {_ARGUMENTS}) -> ()", _plain_in_place, _native_in_place, _fake_in_place
)


def apply(
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
    """Checks a call and runs it; the parameters are those of `ops.triton.rotary.apply_rotary`."""
    longest, batch = _check_tokens(x, cu_seqlens, max_seqlen)
    _check_tables(x, cos, sin, longest)
    offsets, offset = None, 0
    if isinstance(seqlen_offsets, Tensor) and seqlen_offsets.dim() > 0:
        offsets = seqlen_offsets
        if offsets.shape != (batch,) or offsets.dtype not in (torch.int32, torch.int64):
            raise InvalidArgument(
                f"seqlen_offsets: got {describe(offsets)}, "
                f"expected an int, or int32|int64 [{batch}]"
            )
    else:
        offset = integer("seqlen_offsets", seqlen_offsets)
        if not 0 <= offset <= cos.shape[0] - longest:
            raise InvalidArgument(
                f"seqlen_offsets: got {offset}, expected 0 to {cos.shape[0] - longest} "
                f"(cos has {cos.shape[0]} rows, x has {longest} tokens)"
            )
    options = flag("interleaved", interleaved), flag("conjugate", conjugate)
    arguments = (x, cos, sin, offsets, offset, cu_seqlens, *options)
    if not inplace:
        return rotary(*arguments)  # type: ignore[no-any-return]
    rotary_(*arguments)
    return x


def _check_tokens(x: Any, cu_seqlens: Any, max_seqlen: Any) -> tuple[int, int]:
    """Longest sequence and number of sequences."""
    rank = 4 if cu_seqlens is None else 3
    if tensor("x", x).dim() != rank:
        expected = "[B, S, H, D]" if cu_seqlens is None else "[T, H, D] with cu_seqlens"
        raise InvalidArgument(f"x: got shape {list(x.shape)}, expected {expected}")
    if cu_seqlens is None:
        return x.shape[1], x.shape[0]
    if tensor("cu_seqlens", cu_seqlens).dim() != 1 or cu_seqlens.dtype not in (
        torch.int32,
        torch.int64,
    ):
        raise InvalidArgument(f"cu_seqlens: got {describe(cu_seqlens)}, expected int32 [B + 1]")
    if max_seqlen is None:
        raise InvalidArgument("max_seqlen: got None, expected an int with cu_seqlens")
    return integer("max_seqlen", max_seqlen), cu_seqlens.shape[0] - 1


def _check_tables(x: Tensor, cos: Any, sin: Any, longest: int) -> None:
    for name, table in (("cos", cos), ("sin", sin)):
        if tensor(name, table).dim() != 2 or table.shape != cos.shape:
            raise InvalidArgument(
                f"{name}: got shape {list(table.shape)}, expected [rotary_len, rotary_dim / 2] "
                "for cos and sin alike"
            )
        if table.device != x.device:
            raise InvalidArgument(f"{name}: got a tensor on {table.device}, expected {x.device}")
    if 2 * cos.shape[1] > x.shape[-1]:
        raise InvalidArgument(
            f"cos: got {cos.shape[1]} columns, expected at most {x.shape[-1] // 2} "
            "(half the head dim of x)"
        )
    if cos.shape[0] < longest:
        raise InvalidArgument(f"cos: got {cos.shape[0]} rows, expected at least {longest}")
