"""Rotary embedding, cross entropy and norms in fp64, with bounds on the error of a right kernel.

The error model is that of `error_model.py`: fp32 inside, one rounding of each result; e_... is an
absolute bound of the value of that name. docs/tolerances.md has the formulas as a table.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fa_testing.error_model import FLUSH, MARGIN, U32, rounding


class Result(NamedTuple):
    """A value and the bound of its error, without the margin."""

    value: Tensor
    bound: Tensor


def check(what: str, actual: Tensor, expected: Result) -> None:
    """Fails at the element that is furthest beyond its bound."""
    actual = actual.detach()
    assert actual.shape == expected.value.shape, (what, actual.shape, expected.value.shape)
    if actual.numel() == 0:
        return
    error = (actual.double() - expected.value).abs()
    used = (error / (MARGIN * expected.bound)).nan_to_num(nan=0.0, posinf=math.inf)
    used = torch.where(torch.isfinite(actual.double()), used, math.inf)
    worst = int(used.argmax())
    assert float(used.max()) <= 1, (
        f"{what}: got {float(actual.flatten()[worst])}, "
        f"expected {float(expected.value.flatten()[worst])} "
        f"+- {MARGIN * float(expected.bound.flatten()[worst]):.3g} at {worst}"
    )


# ---- rotary ------------------------------------------------------------------------------------


def rotary(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    positions: Tensor,
    interleaved: bool,
    conjugate: bool = False,
) -> Result:
    """x [..., tokens, H, D] with its positions [..., tokens], -1 for tokens that stay."""
    dtype, width = x.dtype, 2 * cos.shape[1]
    x, cos, sin = x.double(), cos.double(), sin.double()
    known = ((positions >= 0) & (positions < cos.shape[0]))[..., None, None]
    rows = positions.clamp(0, cos.shape[0] - 1)
    c = torch.where(known, cos[rows][..., None, :], 1.0)
    s = torch.where(known, sin[rows][..., None, :], 0.0) * (-1 if conjugate else 1)
    first = slice(0, width, 2) if interleaved else slice(0, width // 2)
    second = slice(1, width, 2) if interleaved else slice(width // 2, width)
    a, b = x[..., first], x[..., second]
    out, size = x.clone(), torch.zeros_like(x)
    out[..., first], out[..., second] = a * c - b * s, a * s + b * c
    size[..., first] = (a * c).abs() + (b * s).abs()
    size[..., second] = (a * s).abs() + (b * c).abs()
    return Result(out, 2 * U32 * size + rounding(dtype, out))


# ---- cross entropy -----------------------------------------------------------------------------


class CrossEntropy(NamedTuple):
    losses: Result
    z_losses: Result
    dlogits: Result


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    dloss: Tensor,
    smoothing: float = 0.0,
    scale: float = 1.0,
    square: float = 0.0,
    ignore_index: int = -100,
) -> CrossEntropy:
    """All labels are in range or ignored."""
    dtype, classes = logits.dtype, logits.shape[1]
    x = logits.double() * scale
    lse = torch.logsumexp(x, -1)
    p = torch.exp(x - lse[:, None])
    ignored = labels == ignore_index
    at = labels.masked_fill(ignored, 0)[:, None]
    label = x.gather(1, at)[:, 0]
    finite = x.masked_fill(~torch.isfinite(x), 0.0)
    # An exponent is a scaled logit less the maximum, in another base; a sum of n of them.
    e_lse = U32 * (p * (3 * finite.abs() + 4)).sum(-1)
    e_lse = e_lse + U32 * (math.sqrt(classes) + 2 * lse.abs() + 4)
    mean, size = finite.mean(-1), finite.abs().mean(-1)
    z = square * lse.square()
    e_z = 2 * square * lse.abs() * e_lse + 3 * U32 * z
    losses = lse - (1 - smoothing) * label - smoothing * mean + z
    e_losses = e_lse + e_z + U32 * (3 * label.abs() + 2 * lse.abs() + z + losses.abs())
    e_losses = e_losses + smoothing * U32 * (math.sqrt(classes) + 4) * size
    factor = (dloss.double() * scale).masked_fill(ignored, 0.0)[:, None]
    weight = (1 + 2 * square * lse)[:, None]
    smooth = torch.full_like(x, smoothing / classes)
    smooth = smooth.scatter_add(
        1, at, torch.full_like(at, 1, dtype=torch.float64) * (1 - smoothing)
    )
    dlogits = factor * (p * weight - smooth)
    exponent = 3 * finite.abs() + 2 * lse.abs()[:, None] + 6
    e_p = p * (U32 * exponent + e_lse[:, None]) + FLUSH
    e_weight = 2 * square * (e_lse + U32 * lse.abs())[:, None]
    e_d = e_p * weight.abs() + p * e_weight + 4 * U32 * (p * weight.abs() + smooth)
    zero = (~ignored).double()
    return CrossEntropy(
        Result(losses * zero, e_losses * zero),
        Result(z * zero, e_z * zero),
        Result(dlogits, factor.abs() * e_d + rounding(dtype, dlogits)),
    )


# ---- norms -------------------------------------------------------------------------------------


class NormCase(NamedTuple):
    """Inputs of a norm, all in the dtypes of the call; rows [M, N]."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    residual: Tensor | None
    x1: Tensor | None
    weight1: Tensor | None
    bias1: Tensor | None
    rowscale: Tensor | None
    eps: float
    zero_centered: bool
    rms: bool
    sum_dtype: torch.dtype
    out_dtype: torch.dtype
    keep: tuple[Tensor | None, Tensor | None] = (None, None)  # masks times 1 / (1 - p)


def norm(c: NormCase, dy: Tensor, dy1: Tensor | None, dh: Tensor | None) -> dict[str, Result]:
    """All results of a norm and all gradients, [M, N] and [N]."""
    found: dict[str, Result] = {}
    width = c.x.shape[1]
    root = math.sqrt(width)
    factor = torch.ones_like(c.x, dtype=torch.float64)
    if c.rowscale is not None:
        factor = factor * c.rowscale.double()[:, None]
    factor1 = torch.ones_like(factor)
    if c.keep[0] is not None:
        factor = factor * c.keep[0].double()
        factor1 = factor1 if c.keep[1] is None else factor1 * c.keep[1].double()
    h = c.x.double() * factor
    size = h.abs()
    for branch, scale in ((c.x1, factor1), (c.residual, None)):
        if branch is not None:
            part = branch.double() if scale is None else branch.double() * scale
            h, size = h + part, size + part.abs()
    touched = c.residual is not None or c.x1 is not None or c.rowscale is not None
    touched = touched or c.keep[0] is not None
    e_h = 3 * U32 * size if touched else torch.zeros_like(h)
    found["h"] = Result(h, e_h + rounding(c.sum_dtype, h))
    stored = e_h
    if touched or c.sum_dtype != c.x.dtype:
        stored = e_h + rounding(c.sum_dtype, h)

    def normalised(e_h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """normal, its error, rstd, its relative error, for an h with an error."""
        mean = torch.zeros_like(h[:, :1]) if c.rms else h.mean(-1, keepdim=True)
        e_mean = e_h.mean(-1, keepdim=True) + U32 * (root + 2) * h.abs().mean(-1, keepdim=True)
        d = h - mean
        e_d = e_h if c.rms else e_h + e_mean + U32 * d.abs()
        var = d.square().mean(-1, keepdim=True)
        e_var = (2 * d.abs() * e_d + e_d.square()).mean(-1, keepdim=True) + U32 * (root + 3) * var
        rstd = (var + c.eps).rsqrt()
        relative = 0.5 * e_var / (var + c.eps) + 3 * U32
        normal = d * rstd
        return normal, rstd * e_d + normal.abs() * (relative + 2 * U32), rstd, relative

    shift = 1.0 if c.zero_centered else 0.0
    normal, e_normal, _, _ = normalised(e_h)
    for name, weight, bias in (("y", c.weight, c.bias), ("y1", c.weight1, c.bias1)):
        if weight is None:
            continue
        w = weight.double() + shift
        b = torch.zeros_like(w) if bias is None else bias.double()
        y = normal * w + b
        e_y = w.abs() * e_normal + 3 * U32 * ((normal * w).abs() + b.abs())
        found[name] = Result(y, e_y + rounding(c.out_dtype, y))

    # The backward reads h as it was stored.
    normal, e_normal, rstd, relative = normalised(stored)
    rows = math.sqrt(c.x.shape[0])
    g, e_g = torch.zeros_like(h), torch.zeros_like(h)
    for suffix, weight, bias, given in (
        ("", c.weight, c.bias, dy),
        ("1", c.weight1, c.bias1, dy1),
    ):
        if weight is None or given is None:
            continue
        d = given.double()
        product = d * normal
        e_weight = (d.abs() * e_normal).sum(0) + U32 * (rows + 2) * product.abs().sum(0)
        value = product.sum(0)
        found[f"dweight{suffix}"] = Result(value, e_weight + rounding(weight.dtype, value))
        if bias is not None:
            value = d.sum(0)
            e_bias = U32 * (rows + 1) * d.abs().sum(0)
            found[f"dbias{suffix}"] = Result(value, e_bias + rounding(bias.dtype, value))
        part = d * (weight.double() + shift)
        g, e_g = g + part, e_g + 3 * U32 * part.abs()

    def mean_of(x: Tensor) -> Tensor:
        return x.mean(-1, keepdim=True)

    c1, c2 = mean_of(g * normal), torch.zeros_like(rstd) if c.rms else mean_of(g)
    e_c1 = mean_of(g.abs() * e_normal + e_g * normal.abs()) + U32 * (root + 2) * mean_of(
        (g * normal).abs()
    )
    e_c2 = mean_of(e_g) + U32 * (root + 1) * mean_of(g.abs())
    t = g - c2 - normal * c1
    e_t = e_g + e_c2 + e_normal * c1.abs() + normal.abs() * e_c1
    e_t = e_t + 3 * U32 * (g.abs() + c2.abs() + (normal * c1).abs())
    total = t * rstd
    e_total = rstd * e_t + total.abs() * (relative + 2 * U32)
    if dh is not None:
        total = total + dh.double()
        e_total = e_total + U32 * total.abs() + U32 * dh.double().abs()
    for name, tensor, scale in (
        ("dx", c.x, factor),
        ("dx1", c.x1, factor1),
        ("dresidual", c.residual, torch.ones_like(factor)),
    ):
        if tensor is not None:
            value = total * scale
            e_value = scale.abs() * e_total + 2 * U32 * value.abs()
            found[name] = Result(value, e_value + rounding(tensor.dtype, value))
    return found


def pick(generator: torch.Generator, *options: Any) -> Any:
    """One of the options."""
    return options[int(torch.randint(len(options), (1,), generator=generator))]
