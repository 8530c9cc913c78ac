"""Rotary position embedding with gradients: functions, autograd functions and a module.

In-place forms write to the memory of their input and return it; use what they return, it carries
the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from flash_attn._common.errors import InvalidArgument
from flash_attn._common.request import describe
from flash_attn.ops.triton.rotary import apply_rotary

__all__ = [
    "ApplyRotaryEmb",
    "ApplyRotaryEmbKV_",
    "ApplyRotaryEmbQKV_",
    "RotaryEmbedding",
    "apply_rotary_emb",
    "apply_rotary_emb_func",
    "apply_rotary_emb_kv_",
    "apply_rotary_emb_qkv_",
    "apply_rotary_emb_torch",
    "rotate_half",
]


def rotate_half(x: Tensor, interleaved: bool = False) -> Tensor:
    """Returns x with each pair (a, b) of its last dim replaced by (-b, a).

    Args:
      x: [..., D].
      interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i + D / 2.
    Returns:
      [..., D].
    """
    if interleaved:
        return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)
    low, high = x.chunk(2, -1)
    return torch.cat((-high, low), -1)


def apply_rotary_emb_torch(
    x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False
) -> Tensor:
    """The rotation in plain PyTorch and the dtype of its inputs, to compare with.

    Args:
      x: [B, S, H, D].
      cos: [S, rotary_dim / 2] or [B, S, rotary_dim / 2].
      sin: like `cos`.
      interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i + rotary_dim / 2.
    Returns:
      [B, S, H, D].
    """
    width = 2 * cos.shape[-1]
    if width > x.shape[-1]:
        raise InvalidArgument(f"cos: got {cos.shape[-1]} columns, expected {x.shape[-1] // 2}")
    if interleaved:
        cos, sin = (t.repeat_interleave(2, -1).unsqueeze(-2) for t in (cos, sin))
    else:
        cos, sin = (torch.cat((t, t), -1).unsqueeze(-2) for t in (cos, sin))
    part = x[..., :width]
    turned = part * cos + rotate_half(part, interleaved) * sin
    return torch.cat((turned, x[..., width:]), -1)


def _save(ctx: Any, tables: tuple[Tensor | None, ...], seqlen_offsets: int | Tensor) -> None:
    given = seqlen_offsets if isinstance(seqlen_offsets, Tensor) else None
    ctx.save_for_backward(*tables, given)
    ctx.offset = 0 if given is not None else seqlen_offsets


def _saved(ctx: Any) -> tuple[Any, ...]:
    """The tables, then the offsets as tensor or int."""
    *tables, given = ctx.saved_tensors
    return *tables, ctx.offset if given is None else given


class ApplyRotaryEmb(Function):
    """Takes the arguments of `apply_rotary_emb`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        interleaved: bool = False,
        inplace: bool = False,
        seqlen_offsets: int | Tensor = 0,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
    ) -> Tensor:
        """See the class."""
        _save(ctx, (cos, sin, cu_seqlens), seqlen_offsets)
        ctx.options = max_seqlen, interleaved
        return apply_rotary(
            x, cos, sin, seqlen_offsets, cu_seqlens, max_seqlen, interleaved, inplace
        )

    @staticmethod
    def backward(ctx: Any, do: Tensor) -> Any:
        """Gradient of x."""
        cos, sin, cu_seqlens, offsets = _saved(ctx)
        max_seqlen, interleaved = ctx.options
        dx = apply_rotary(
            do, cos, sin, offsets, cu_seqlens, max_seqlen, interleaved, conjugate=True
        )
        return dx, *(None,) * 7


def apply_rotary_emb(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    interleaved: bool = False,
    inplace: bool = False,
    seqlen_offsets: int | Tensor = 0,
    cu_seqlens: Tensor | None = None,
    max_seqlen: int | None = None,
) -> Tensor:
    """Rotates the first rotary_dim dims of each head by the angle of its position.

    Args:
      x: [B, S, H, D], or packed [T, H, D] with `cu_seqlens`; any strides.
      cos: fp32|fp16|bf16 [rotary_len, rotary_dim / 2].
      sin: like `cos`.
      interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i + rotary_dim / 2.
      inplace: bool. Writes to the memory of `x`.
      seqlen_offsets: int, or int32|int64 [B]: position of the first token of each sequence.
      cu_seqlens: int32 [B + 1] or None: where the packed sequences begin.
      max_seqlen: int, at least the longest sequence; needed with `cu_seqlens`.
    Returns:
      Like `x`, differentiable in x.
    Raises:
      InvalidArgument: shapes, dtypes, devices or values do not fit.
    Source:
      Semantics of flash_attn/layers/rotary.py in the original package.
    """
    result: Tensor = ApplyRotaryEmb.apply(
        x, cos, sin, interleaved, inplace, seqlen_offsets, cu_seqlens, max_seqlen
    )
    return result


apply_rotary_emb_func = apply_rotary_emb


def _query_heads(qkv: Tensor, num_heads_q: int | None) -> int:
    """Query heads of [B, S, Hq + 2 * Hkv, D]."""
    if num_heads_q is None or qkv.dim() != 4 or (qkv.shape[2] - num_heads_q) % 2:
        raise InvalidArgument(
            f"qkv: got {describe(qkv)} with num_heads_q={num_heads_q}, expected [B, S, 3, H, D], "
            "or [B, S, Hq + 2 * Hkv, D] with num_heads_q"
        )
    return num_heads_q


def _rotate_qkv(
    qkv: Tensor,
    cos: Tensor,
    sin: Tensor,
    cos_k: Tensor | None,
    sin_k: Tensor | None,
    interleaved: bool,
    seqlen_offsets: int | Tensor,
    num_heads_q: int | None,
    conjugate: bool = False,
) -> None:
    """Rotates queries and keys of a packed tensor in place."""
    if qkv.dim() == 5 and qkv.shape[2] == 3:
        q, k = qkv[:, :, 0], qkv[:, :, 1]
        joined = (
            qkv[:, :, :2].flatten(2, 3) if qkv.stride(2) == qkv.shape[3] * qkv.stride(3) else None
        )
    else:
        q_heads = _query_heads(qkv, num_heads_q)
        both = q_heads + (qkv.shape[2] - q_heads) // 2
        q, k, joined = qkv[:, :, :q_heads], qkv[:, :, q_heads:both], qkv[:, :, :both]
    options: dict[str, Any] = {"interleaved": interleaved, "inplace": True, "conjugate": conjugate}
    if cos_k is None and sin_k is None and joined is not None:
        apply_rotary(joined, cos, sin, seqlen_offsets, **options)
        return
    apply_rotary(q, cos, sin, seqlen_offsets, **options)
    cos_k, sin_k = cos if cos_k is None else cos_k, sin if sin_k is None else sin_k
    apply_rotary(k, cos_k, sin_k, seqlen_offsets, **options)


class ApplyRotaryEmbQKV_(Function):  # noqa: N801 (the original's name)
    """Takes the arguments of `apply_rotary_emb_qkv_`."""

    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        cos: Tensor,
        sin: Tensor,
        cos_k: Tensor | None = None,
        sin_k: Tensor | None = None,
        interleaved: bool = False,
        seqlen_offsets: int | Tensor = 0,
        num_heads_q: int | None = None,
    ) -> Tensor:
        """See the class."""
        _rotate_qkv(qkv, cos, sin, cos_k, sin_k, interleaved, seqlen_offsets, num_heads_q)
        _save(ctx, (cos, sin, cos_k, sin_k), seqlen_offsets)
        ctx.options = interleaved, num_heads_q
        return qkv

    @staticmethod
    def backward(ctx: Any, dqkv: Tensor) -> Any:
        """Gradient of qkv."""
        cos, sin, cos_k, sin_k, offsets = _saved(ctx)
        interleaved, num_heads_q = ctx.options
        # A copy: whoever else holds the incoming gradient must not see it change.
        dqkv = dqkv.clone(memory_format=torch.contiguous_format)
        tables = cos, sin, cos_k, sin_k
        _rotate_qkv(dqkv, *tables, interleaved, offsets, num_heads_q, True)
        return dqkv, *(None,) * 7


def apply_rotary_emb_qkv_(
    qkv: Tensor,
    cos: Tensor,
    sin: Tensor,
    cos_k: Tensor | None = None,
    sin_k: Tensor | None = None,
    interleaved: bool = False,
    seqlen_offsets: int | Tensor = 0,
    num_heads_q: int | None = None,
) -> Tensor:
    """Rotates queries and keys of one tensor in place.

    Args:
      qkv: [B, S, 3, H, D], or [B, S, Hq + 2 * Hkv, D] with `num_heads_q`.
      cos: fp32|fp16|bf16 [rotary_len, rotary_dim / 2].
      sin: like `cos`.
      cos_k: like `cos`, for the keys; default `cos`.
      sin_k: like `sin`, for the keys; default `sin`.
      interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i + rotary_dim / 2.
      seqlen_offsets: int, or int32|int64 [B]: position of the first token of each sequence.
      num_heads_q: int, Hq of the second form.
    Returns:
      qkv, differentiable.
    Raises:
      InvalidArgument: shapes, dtypes, devices or values do not fit.
    Source:
      Semantics of flash_attn/layers/rotary.py in the original package.
    """
    result: Tensor = ApplyRotaryEmbQKV_.apply(
        qkv, cos, sin, cos_k, sin_k, interleaved, seqlen_offsets, num_heads_q
    )
    return result


class ApplyRotaryEmbKV_(Function):  # noqa: N801 (the original's name)
    """Takes the arguments of `apply_rotary_emb_kv_`."""

    @staticmethod
    def forward(
        ctx: Any,
        kv: Tensor,
        cos: Tensor,
        sin: Tensor,
        interleaved: bool = False,
        seqlen_offsets: int | Tensor = 0,
    ) -> Tensor:
        """See the class."""
        if kv.dim() != 5 or kv.shape[2] != 2:
            raise InvalidArgument(f"kv: got shape {list(kv.shape)}, expected [B, S, 2, H, D]")
        apply_rotary(kv[:, :, 0], cos, sin, seqlen_offsets, interleaved=interleaved, inplace=True)
        _save(ctx, (cos, sin), seqlen_offsets)
        ctx.interleaved = interleaved
        return kv

    @staticmethod
    def backward(ctx: Any, dkv: Tensor) -> Any:
        """Gradient of kv."""
        cos, sin, offsets = _saved(ctx)
        dkv = dkv.clone(memory_format=torch.contiguous_format)
        options: dict[str, Any] = {"interleaved": ctx.interleaved, "inplace": True}
        apply_rotary(dkv[:, :, 0], cos, sin, offsets, **options, conjugate=True)
        return dkv, *(None,) * 4


def apply_rotary_emb_kv_(
    kv: Tensor,
    cos: Tensor,
    sin: Tensor,
    interleaved: bool = False,
    seqlen_offsets: int | Tensor = 0,
) -> Tensor:
    """Rotates the keys of a tensor of keys and values in place.

    Args:
      kv: [B, S, 2, H, D].
      cos: fp32|fp16|bf16 [rotary_len, rotary_dim / 2].
      sin: like `cos`.
      interleaved: bool. True pairs dims (0, 1), (2, 3), ...; False pairs i with i + rotary_dim / 2.
      seqlen_offsets: int, or int32|int64 [B]: position of the first token of each sequence.
    Returns:
      kv, differentiable.
    Raises:
      InvalidArgument: shapes, dtypes, devices or values do not fit.
    Source:
      Semantics of flash_attn/layers/rotary.py in the original package.
    """
    result: Tensor = ApplyRotaryEmbKV_.apply(kv, cos, sin, interleaved, seqlen_offsets)
    return result


class RotaryEmbedding(torch.nn.Module):
    """Rotary embedding with tables that grow with the longest sequence seen.

    Angles are position * base**(-i / dim), i = 0, 2, ..., computed in fp32. With `scale_base` (that
    is xPos) queries are scaled by ((i + 0.4 dim) / (1.4 dim))**((position - length // 2) /
    scale_base) and keys by its inverse.
    """

    inv_freq: Tensor
    scale: Tensor | None

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        interleaved: bool = False,
        scale_base: float | None = None,
        device: Any = None,
    ) -> None:
        """
        Args:
          dim: int, rotated dims of a head.
          base: float.
          interleaved: bool. True pairs dims (0, 1), ...; False pairs i with i + dim / 2.
          scale_base: float or None, base of the xPos scale (512 is usual).
          device: of the tables.
        """
        super().__init__()
        self.dim, self.base, self.interleaved, self.scale_base = (
            dim,
            float(base),
            interleaved,
            scale_base,
        )
        self.register_buffer("inv_freq", self._compute_inv_freq(device), persistent=False)
        steps = torch.arange(0, dim, 2, device=device, dtype=torch.float32)
        scale = None if scale_base is None else (steps + 0.4 * dim) / (1.4 * dim)
        self.register_buffer("scale", scale, persistent=False)
        self._seq_len_cached = 0
        self._cos_cached: Tensor | None = None
        self._sin_cached: Tensor | None = None
        self._cos_k_cached: Tensor | None = None
        self._sin_k_cached: Tensor | None = None

    def _compute_inv_freq(self, device: Any = None) -> Tensor:
        steps = torch.arange(0, self.dim, 2, device=device, dtype=torch.float32)
        return 1.0 / self.base ** (steps / self.dim)

    def _update_cos_sin_cache(
        self, seqlen: int, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        cached = self._cos_cached
        if (
            cached is not None
            and seqlen <= self._seq_len_cached
            and cached.device == device
            and cached.dtype == dtype
            and not (self.training and cached.is_inference())
        ):
            return
        self._seq_len_cached = seqlen
        # A model converted to half precision has converted the frequencies, too.
        exact = self.inv_freq.dtype == torch.float32
        frequency = self.inv_freq.to(device) if exact else self._compute_inv_freq(device)
        angle = torch.outer(torch.arange(seqlen, device=device, dtype=torch.float32), frequency)
        cos, sin = angle.cos(), angle.sin()
        if self.scale is None or self.scale_base is None:
            self._cos_cached, self._sin_cached = cos.to(dtype), sin.to(dtype)
            return
        power = torch.arange(seqlen, dtype=torch.float32, device=device) - seqlen // 2
        scale = self.scale.to(device).float() ** (power / self.scale_base).unsqueeze(1)
        self._cos_cached, self._sin_cached = (cos * scale).to(dtype), (sin * scale).to(dtype)
        self._cos_k_cached, self._sin_k_cached = (cos / scale).to(dtype), (sin / scale).to(dtype)

    def forward(
        self,
        qkv: Tensor,
        kv: Tensor | None = None,
        seqlen_offset: int | Tensor = 0,
        max_seqlen: int | None = None,
        num_heads_q: int | None = None,
    ) -> Any:
        """Rotates in place.

        Args:
          qkv: [B, S, 3, H, D], or [B, S, Hq + 2 * Hkv, D] with `num_heads_q`; with `kv` the
              queries [B, S, H, D].
          kv: [B, S, 2, Hkv, D] or None.
          seqlen_offset: int, or int32|int64 [B]: position of the first token.
          max_seqlen: int, length of the tables; needed at first with a tensor of offsets.
          num_heads_q: int, Hq of the second form.
        Returns:
          qkv, or (q, kv).
        """
        if max_seqlen is not None:
            self._update_cos_sin_cache(max_seqlen, qkv.device, qkv.dtype)
        elif isinstance(seqlen_offset, int):
            self._update_cos_sin_cache(qkv.shape[1] + seqlen_offset, qkv.device, qkv.dtype)
        cos, sin = self._cos_cached, self._sin_cached
        if cos is None or sin is None:
            raise InvalidArgument(
                "max_seqlen: got None, expected an int with a tensor of offsets before any tables"
            )
        # Keys of their own only with xPos.
        keys = (self._cos_k_cached, self._sin_k_cached)
        options: dict[str, Any] = {
            "interleaved": self.interleaved,
            "seqlen_offsets": seqlen_offset,
        }
        if kv is None:
            return apply_rotary_emb_qkv_(qkv, cos, sin, *keys, **options, num_heads_q=num_heads_q)
        q = apply_rotary_emb(qkv, cos, sin, inplace=True, **options)
        cos_k, sin_k = (a if b is None else b for a, b in zip((cos, sin), keys, strict=True))
        return q, apply_rotary_emb_kv_(kv, cos_k, sin_k, **options)
