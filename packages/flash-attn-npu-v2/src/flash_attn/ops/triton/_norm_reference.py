"""The norms in plain PyTorch and the dtype of their inputs, to compare with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from flash_attn._common.errors import InvalidArgument


def _dropped(x: Tensor, dropout_p: float, mask: Tensor | None) -> Tensor:
    if dropout_p == 0.0:
        return x
    if mask is None:
        return F.dropout(x, dropout_p)
    return x.masked_fill(~mask, 0.0) / (1.0 - dropout_p)


def _reference(
    rms: bool,
    x: Tensor,
    weights: tuple[Tensor | None, ...],  # weight, bias, weight1, bias1
    residual: Tensor | None,
    x1: Tensor | None,
    eps: float,
    dropout_p: float,
    rowscale: Tensor | None,
    prenorm: bool,
    zero_centered_weight: bool,
    masks: tuple[Tensor | None, Tensor | None],
    upcast: bool,
) -> Any:
    dtype = x.dtype
    if x1 is not None and rowscale is not None:
        raise InvalidArgument("rowscale: got a tensor, expected None with x1")
    tensors = (x, residual, x1, *weights)
    if upcast:
        tensors = tuple(None if t is None else t.float() for t in tensors)
    h, residual, x1, weight, bias, weight1, bias1 = tensors
    if h is None or weight is None:
        raise InvalidArgument("x, weight: got None, expected a tensor")
    if rowscale is not None:
        h = h * rowscale[..., None]
    h = _dropped(h, dropout_p, masks[0])
    if x1 is not None:
        h = h + _dropped(x1, dropout_p, masks[1])
    if residual is not None:
        h = (h + residual).to(h.dtype)

    def normalised(factor: Tensor, shift: Tensor | None) -> Tensor:
        factor = factor + 1.0 if zero_centered_weight else factor
        if not rms:
            return F.layer_norm(h.to(factor.dtype), h.shape[-1:], factor, shift, eps).to(dtype)
        y = h * torch.rsqrt(h.square().mean(-1, keepdim=True) + eps) * factor
        return (y if shift is None else y + shift).to(dtype)

    results = [normalised(weight, bias)]
    results += [] if weight1 is None else [normalised(weight1, bias1)]
    results += [h] if prenorm else []
    return tuple(results) if len(results) > 1 else results[0]


def layer_norm_ref(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None = None,
    x1: Tensor | None = None,
    weight1: Tensor | None = None,
    bias1: Tensor | None = None,
    eps: float = 1e-6,
    dropout_p: float = 0.0,
    rowscale: Tensor | None = None,
    prenorm: bool = False,
    zero_centered_weight: bool = False,
    dropout_mask: Tensor | None = None,
    dropout_mask1: Tensor | None = None,
    upcast: bool = False,
) -> Any:
    """`layer_norm_fn` in plain PyTorch; `upcast` computes in fp32, masks replace random ones."""
    return _reference(
        *(False, x, (weight, bias, weight1, bias1), residual, x1, eps, dropout_p, rowscale),
        *(prenorm, zero_centered_weight, (dropout_mask, dropout_mask1), upcast),
    )


def rms_norm_ref(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None = None,
    x1: Tensor | None = None,
    weight1: Tensor | None = None,
    bias1: Tensor | None = None,
    eps: float = 1e-6,
    dropout_p: float = 0.0,
    rowscale: Tensor | None = None,
    prenorm: bool = False,
    zero_centered_weight: bool = False,
    dropout_mask: Tensor | None = None,
    dropout_mask1: Tensor | None = None,
    upcast: bool = False,
) -> Any:
    """`rms_norm_fn` in plain PyTorch; `upcast` computes in fp32, masks replace random ones."""
    return _reference(
        *(True, x, (weight, bias, weight1, bias1), residual, x1, eps, dropout_p, rowscale),
        *(prenorm, zero_centered_weight, (dropout_mask, dropout_mask1), upcast),
    )
