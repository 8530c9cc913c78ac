"""Turns user arguments into the plain values and strides that the operators take."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .allocate import SEPARATE
from .errors import InvalidArgument
from .schemas import DEFAULT_SPLITS

OPEN_WINDOW = (-1, -1)
_INT_TYPES = (int, torch.SymInt)
_FLOAT_TYPES = (float, torch.SymFloat)
_DTYPES = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float8_e4m3fn: "float8_e4m3fn",
}


class Inputs(NamedTuple):
    """q, k and v as the caller has them: separate, or packed in fewer tensors."""

    first: Tensor
    second: Tensor | None = None
    third: Tensor | None = None
    packing: int = SEPARATE
    q_heads: int = 0  # only for JOINED_HEADS


class Lengths(NamedTuple):
    """Sequence lengths; all None and -1 for padded inputs."""

    cu_seqlens_q: Tensor | None
    cu_seqlens_k: Tensor | None
    seqused_q: Tensor | None
    seqused_k: Tensor | None
    max_seqlen_q: int
    max_seqlen_k: int


class Extras(NamedTuple):
    """Optional tensors of a call."""

    alibi_slopes: Tensor | None = None
    learnable_sink: Tensor | None = None
    qv: Tensor | None = None
    page_table: Tensor | None = None
    q_descale: Tensor | None = None
    k_descale: Tensor | None = None
    v_descale: Tensor | None = None


class Options(NamedTuple):
    """Plain values of a call."""

    causal: bool
    softmax_scale: float | None
    num_splits: int
    window_left: int
    window_right: int
    softcap: float
    dropout_p: float
    attention_chunk: int
    pack_gqa: int
    sm_margin: int
    deterministic: bool


class KvCache(NamedTuple):
    """A cache of keys and values and what of it is read; tensors first."""

    k: Tensor
    v: Tensor
    seqlens: Tensor | None
    batch_idx: Tensor | None
    leftpad: Tensor | None
    page_table: Tensor | None
    cu_seqlens_q: Tensor | None = None
    scheduler_metadata: Tensor | None = None
    max_seqlen_q: int = -1


class NewKeys(NamedTuple):
    """Keys and values to append, and their rotary embedding; in the order of the operator."""

    k: Tensor | None
    v: Tensor | None
    rotary_cos: Tensor | None
    rotary_sin: Tensor | None
    rotary_seqlens: Tensor | None
    cu_seqlens: Tensor | None
    rotary_interleaved: bool


PADDED = Lengths(None, None, None, None, -1, -1)
NO_EXTRAS = Extras()


def describe(value: object) -> str:
    """Names a wrong argument in an error message."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)} and dtype {str(value.dtype)[6:]}"
    return f"{value!r} of type {type(value).__name__}"


def tensor(name: str, value: Any) -> Tensor:
    """Takes a tensor and nothing else."""
    if isinstance(value, Tensor):
        return value
    raise InvalidArgument(f"{name}: got {describe(value)}, expected a tensor")


def integer(name: str, value: Any) -> int:
    """Takes an int, an integer tensor of one element, or whatever else has `__index__`."""
    if type(value) in _INT_TYPES:
        return value  # type: ignore[no-any-return]
    try:
        return operator.index(value)
    except (TypeError, RuntimeError):
        raise InvalidArgument(f"{name}: got {describe(value)}, expected an integer") from None


def number(name: str, value: Any) -> float:
    """Takes a float, an int, or a tensor of one element."""
    if type(value) in _FLOAT_TYPES:
        return value  # type: ignore[no-any-return]
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise InvalidArgument(f"{name}: got {describe(value)}, expected a number") from None


def flag(name: str, value: Any) -> bool:
    """Takes a bool, an int, or a tensor of one element."""
    if value is True or value is False:
        return value
    if isinstance(value, (int, Tensor)):
        try:
            return bool(value)
        except RuntimeError:  # more than one element
            pass
    raise InvalidArgument(f"{name}: got {describe(value)}, expected a bool")


def window(value: Any) -> tuple[int, int]:
    """Takes (left, right) as a tuple, a list or a tensor of two elements."""
    if type(value) is tuple and value == OPEN_WINDOW:
        return OPEN_WINDOW
    try:
        left, right = value
    except (TypeError, ValueError):
        raise InvalidArgument(
            f"window_size: got {describe(value)}, expected two integers (left, right)"
        ) from None
    return integer("window_size[0]", left), integer("window_size[1]", right)


def pack_gqa_code(value: Any) -> int:
    """Takes None (the plan chooses, -1) or a bool."""
    return -1 if value is None else int(flag("pack_gqa", value))


def options(
    causal: Any,
    softmax_scale: Any,
    window_size: Any,
    softcap: Any,
    deterministic: Any = False,
    *,
    dropout_p: Any = 0.0,
    num_splits: Any = DEFAULT_SPLITS,
    attention_chunk: Any = 0,
    pack_gqa: Any = None,
    sm_margin: Any = 0,
) -> Options:
    """Converts the plain arguments of the public functions, which have the same names."""
    # Most values have the plain type, which needs no function call.
    return Options(
        causal if causal is True or causal is False else flag("causal", causal),
        None if softmax_scale is None else number("softmax_scale", softmax_scale),
        num_splits if type(num_splits) is int else integer("num_splits", num_splits),
        *window(window_size),
        softcap if type(softcap) is float else number("softcap", softcap),
        dropout_p if type(dropout_p) is float else number("dropout_p", dropout_p),
        integer("attention_chunk", attention_chunk) if attention_chunk != 0 else 0,
        -1 if pack_gqa is None else int(flag("pack_gqa", pack_gqa)),
        integer("sm_margin", sm_margin) if sm_margin != 0 else 0,
        deterministic
        if deterministic is True or deterministic is False
        else flag("deterministic", deterministic),
    )


def max_seqlen_of(side: str, value: Any, cu_seqlens: Tensor | None) -> int:
    """Takes max_seqlen_q or max_seqlen_k, needed with its cu_seqlens; -1 where neither is given."""
    if value is not None:
        return integer(f"max_seqlen_{side}", value)
    if cu_seqlens is None:
        return -1
    raise InvalidArgument(f"max_seqlen_{side}: got None, expected an int with cu_seqlens_{side}")


def stacked(name: str, value: Any, count: int) -> Tensor:
    """Takes a tensor [..., count, H, D]."""
    packed = tensor(name, value)
    if packed.dim() < 3 or packed.shape[-3] != count:
        raise InvalidArgument(
            f"{name}: got shape {list(packed.shape)}, expected [..., {count}, H, D]"
        )
    return packed


def dtype_name(name: str, value: Any) -> str:
    """Takes a dtype that the core knows, as it is spelled there."""
    if value not in _DTYPES:
        allowed = ", ".join(_DTYPES.values())
        raise InvalidArgument(f"{name}: got {value}, expected one of {allowed}")
    return _DTYPES[value]


def cache_lengths(
    value: Any, q: Tensor, cu_seqlens_q: Tensor | None, k_cache: Tensor
) -> Tensor | None:
    """Takes lengths as a tensor, or one int that holds for every batch entry."""
    if value is None or isinstance(value, Tensor):
        return value
    length, device = integer("cache_seqlens", value), tensor("k_cache", k_cache).device
    # Shapes that do not fit are left to the checks of the operator.
    if cu_seqlens_q is None:
        batch = tensor("q", q).shape[:1]
    else:
        batch = torch.Size((max(tensor("cu_seqlens_q", cu_seqlens_q).numel() - 1, 0),))
    return torch.full(batch, length, dtype=torch.int32, device=device)


def last_dim_contiguous(x: Tensor) -> Tensor:
    """Copies a tensor whose last dimension is strided; every other layout is read in place."""
    if x.dim() == 0 or x.stride(-1) == 1:
        return x
    return x.clone(memory_format=torch.contiguous_format)
