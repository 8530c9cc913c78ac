"""Layer norm and RMS norm of rows, with a residual in front: operators `norm` and `norm_backward`.

h = x + residual; y = (h - mean) / sqrt(var + eps) * weight + bias, RMS norm without the mean; y1 is
the same with weight1 and bias1. The backward takes mean and variance of h as it was stored: once h
was rounded, those of the forward are another row's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flash_attn._common.wheel import native

from .register import define, is_native

_FORWARD = """norm(Tensor x, Tensor? residual, Tensor weight, Tensor? bias, Tensor? weight1,
  Tensor? bias1, float eps, bool zero_centered, bool rms, ScalarType? sum_dtype,
  ScalarType out_dtype) -> (Tensor, Tensor, Tensor)"""
_BACKWARD = """norm_backward(Tensor dy, Tensor? dy1, Tensor? dh, Tensor h, Tensor weight,
  Tensor? weight1, float eps, bool zero_centered, bool rms, ScalarType dx_dtype,
  ScalarType? residual_dtype) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"""


def outputs(
    x: Tensor, second: bool, sum_dtype: torch.dtype | None, out_dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """y, y1, h; empty what is not asked for."""
    y = x.new_empty(x.shape, dtype=out_dtype)
    y1 = x.new_empty(x.shape if second else 0, dtype=out_dtype)
    h = x.new_empty(0 if sum_dtype is None else x.shape, dtype=sum_dtype or x.dtype)
    return y, y1, h


def gradients(
    h: Tensor, second: bool, dx_dtype: torch.dtype, residual_dtype: torch.dtype | None
) -> tuple[Tensor, ...]:
    """dx, dresidual, dweight, dbias, dweight1, dbias1; empty what is not asked for."""
    dx = h.new_empty(h.shape, dtype=dx_dtype)
    dresidual = h.new_empty(
        0 if residual_dtype is None else h.shape, dtype=residual_dtype or dx_dtype
    )
    width = h.shape[1]
    sums = [h.new_empty(n, dtype=torch.float32) for n in (width, width)]
    sums += [h.new_empty(width if second else 0, dtype=torch.float32) for _ in range(2)]
    return dx, dresidual, *sums


def _affine(weight: Tensor, zero_centered: bool) -> Tensor:
    return weight.float() + 1.0 if zero_centered else weight.float()


def _plain(
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    weight1: Tensor | None,
    bias1: Tensor | None,
    eps: float,
    zero_centered: bool,
    rms: bool,
    sum_dtype: torch.dtype | None,
    out_dtype: torch.dtype,
) -> tuple[Tensor, ...]:
    y, y1, h = outputs(x, weight1 is not None, sum_dtype, out_dtype)
    total = x.float() if residual is None else x.float() + residual.float()
    if sum_dtype is not None:
        h.copy_(total)
    normal, _ = _normalised(total, eps, rms)
    y.copy_(_shifted(normal * _affine(weight, zero_centered), bias))
    if weight1 is not None:
        y1.copy_(_shifted(normal * _affine(weight1, zero_centered), bias1))
    return y, y1, h


def _normalised(h: Tensor, eps: float, rms: bool) -> tuple[Tensor, Tensor]:
    """fp32 rows with mean 0 (unless rms) and variance 1, and the factor that made them so."""
    h = h if rms else h - h.mean(-1, keepdim=True)
    rstd = (h.square().mean(-1, keepdim=True) + eps).rsqrt()
    return h * rstd, rstd


def _shifted(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias.float()


def _plain_backward(
    dy: Tensor,
    dy1: Tensor | None,
    dh: Tensor | None,
    h: Tensor,
    weight: Tensor,
    weight1: Tensor | None,
    eps: float,
    zero_centered: bool,
    rms: bool,
    dx_dtype: torch.dtype,
    residual_dtype: torch.dtype | None,
) -> tuple[Tensor, ...]:
    results = gradients(h, weight1 is not None, dx_dtype, residual_dtype)
    dx, dresidual, dweight, dbias, dweight1, dbias1 = results
    normal, rstd = _normalised(h.float(), eps, rms)
    g = dy.float()
    dweight.copy_((g * normal).sum(0))
    dbias.copy_(g.sum(0))
    g = g * _affine(weight, zero_centered)
    if weight1 is not None and dy1 is not None:
        g1 = dy1.float()
        dweight1.copy_((g1 * normal).sum(0))
        dbias1.copy_(g1.sum(0))
        g = g + g1 * _affine(weight1, zero_centered)
    total = g - normal * (g * normal).mean(-1, keepdim=True)
    if not rms:
        total = total - g.mean(-1, keepdim=True)
    total = total * rstd
    if dh is not None:
        total = total + dh.float()
    dx.copy_(total)
    if residual_dtype is not None:
        dresidual.copy_(total)
    return results


def _native(
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    weight1: Tensor | None,
    bias1: Tensor | None,
    eps: float,
    zero_centered: bool,
    rms: bool,
    sum_dtype: torch.dtype | None,
    out_dtype: torch.dtype,
) -> tuple[Tensor, ...]:
    results = outputs(x, weight1 is not None, sum_dtype, out_dtype)
    if not is_native(x, residual, weight, bias, weight1, bias1, *results):
        options = eps, zero_centered, rms, sum_dtype, out_dtype
        return _plain(x, residual, weight, bias, weight1, bias1, *options)
    extras = (residual, weight1, sum_dtype)
    plain = not (rms or zero_centered) and all(x is None for x in extras)
    if plain and weight.dtype == x.dtype == out_dtype:
        # PyTorch has a kernel for just this.
        y = torch.native_layer_norm(x, weight.shape, weight, bias, eps)[0]
        return y, results[1], results[2]
    y, y1, h = results
    # fmt: off
    native.norm(
        x, residual, weight, bias, weight1, bias1,
        y, None if weight1 is None else y1, None if sum_dtype is None else h,
        eps, zero_centered, rms, torch.get_num_threads(),
    )
    # fmt: on
    return results


def _native_backward(
    dy: Tensor,
    dy1: Tensor | None,
    dh: Tensor | None,
    h: Tensor,
    weight: Tensor,
    weight1: Tensor | None,
    eps: float,
    zero_centered: bool,
    rms: bool,
    dx_dtype: torch.dtype,
    residual_dtype: torch.dtype | None,
) -> tuple[Tensor, ...]:
    results = gradients(h, weight1 is not None, dx_dtype, residual_dtype)
    if not is_native(dy, dy1, dh, h, weight, weight1, *results):
        options = eps, zero_centered, rms, dx_dtype, residual_dtype
        return _plain_backward(dy, dy1, dh, h, weight, weight1, *options)
    dx, dresidual, dweight, dbias, dweight1, dbias1 = results
    second = weight1 is not None
    # fmt: off
    native.norm_backward(
        dy, dy1, dh, h, weight, weight1, dx, None if residual_dtype is None else dresidual,
        dweight, dbias, dweight1 if second else None, dbias1 if second else None,
        eps, zero_centered, rms, torch.get_num_threads(),
    )
    # fmt: on
    return results


def _fake(
    x: Tensor,
    residual: Tensor | None,  # noqa: ARG001
    weight: Tensor,  # noqa: ARG001
    bias: Tensor | None,  # noqa: ARG001
    weight1: Tensor | None,
    *rest: Any,
) -> tuple[Tensor, ...]:
    return outputs(x, weight1 is not None, *rest[4:])


def _fake_backward(
    dy: Tensor,  # noqa: ARG001
    dy1: Tensor | None,  # noqa: ARG001
    dh: Tensor | None,  # noqa: ARG001
    h: Tensor,
    weight: Tensor,  # noqa: ARG001
    weight1: Tensor | None,
    *rest: Any,
) -> tuple[Tensor, ...]:
    return gradients(h, weight1 is not None, *rest[3:])


forward = define(_FORWARD, _plain, _native, _fake)
backward = define(_BACKWARD, _plain_backward, _native_backward, _fake_backward)
