"""Layer norm and RMS norm with what stands before them: residual, dropout, a second branch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from flash_attn._common.errors import InvalidArgument
from flash_attn._common.request import describe, last_dim_contiguous, tensor
from flash_attn._layers import norm as _operators
from flash_attn.ops.triton._norm_reference import layer_norm_ref, rms_norm_ref

__all__ = [
    "LayerNormFn",
    "RMSNorm",
    "layer_norm_fn",
    "layer_norm_linear_fn",
    "layer_norm_ref",
    "rms_norm_fn",
    "rms_norm_ref",
]


class _Branches(NamedTuple):
    """What happens to x and x1 before they are added; rows of [N, D]."""

    rowscale: Tensor | None  # [N]
    mask: Tensor | None  # bool [N, D], true where kept
    mask1: Tensor | None
    keep_scale: float

    @property
    def plain(self) -> bool:
        return self.rowscale is None and self.mask is None

    def weighed(self, x: Tensor, second: bool = False) -> Tensor:
        """x as it is added, fp32; also the way back, of a gradient."""
        x = x.float()
        if self.rowscale is not None and not second:
            x = x * self.rowscale.float()[:, None]
        mask = self.mask1 if second else self.mask
        return x if mask is None else x * mask * self.keep_scale


def _rows(name: str, x: Any, shape: torch.Size) -> Tensor:
    if tensor(name, x).shape != shape:
        raise InvalidArgument(f"{name}: got shape {list(x.shape)}, expected {list(shape)}")
    return last_dim_contiguous(x.reshape(-1, shape[-1]))


def _check_vectors(width: int, **vectors: Tensor | None) -> None:
    for name, value in vectors.items():
        if value is not None and value.shape != (width,):
            raise InvalidArgument(f"{name}: got {describe(value)}, expected [{width}]")


def _branches(x: Tensor, x1: Tensor | None, rowscale: Tensor | None, dropout_p: float) -> _Branches:
    if not 0 <= dropout_p < 1:
        raise InvalidArgument(f"dropout_p: got {dropout_p}, expected a number in [0, 1)")
    if rowscale is not None:
        if x1 is not None:
            raise InvalidArgument("rowscale: got a tensor, expected None with x1")
        if rowscale.numel() != x.shape[0]:
            raise InvalidArgument(f"rowscale: got {describe(rowscale)}, expected one value per row")
        rowscale = rowscale.reshape(-1)
    masks: list[Tensor | None] = [None, None]
    if dropout_p > 0:
        for i in range(1 if x1 is None else 2):
            masks[i] = torch.rand(x.shape, device=x.device) >= dropout_p
    return _Branches(rowscale, masks[0], masks[1], 1 / (1 - dropout_p))


def _torch_does_it(tensors: list[Tensor], has_sum: bool) -> bool:
    """Whether PyTorch's layer norm is as exact: its gradients in half precision are not, as they
    are summed up in that precision, nor is a residual that is added in it."""
    dtypes = {x.dtype for x in tensors}
    if dtypes == {torch.float32}:
        return True
    wants_grad = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    return len(dtypes) == 1 and not (has_sum or wants_grad)


def _store(result: Tensor, target: Tensor | None) -> Tensor:
    return result if target is None else target.copy_(result)


class LayerNormFn(Function):
    """Takes the arguments of `layer_norm_fn`."""

    @staticmethod
    def forward(
        ctx: Any,
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
        residual_in_fp32: bool = False,
        zero_centered_weight: bool = False,
        is_rms_norm: bool = False,
        return_dropout_mask: bool = False,
        out_dtype: torch.dtype | None = None,
        out: Tensor | None = None,
        residual_out: Tensor | None = None,
    ) -> Any:
        """See the class."""
        shape = tensor("x", x).shape
        _check_vectors(shape[-1], weight=weight, bias=bias, weight1=weight1, bias1=bias1)
        rows = _rows("x", x, shape)
        rows1 = None if x1 is None else _rows("x1", x1, shape)
        added = None if residual is None else _rows("residual", residual, shape)
        branches = _branches(rows, rows1, rowscale, dropout_p)
        sum_dtype = torch.float32 if residual_in_fp32 else x.dtype
        if residual is not None:
            sum_dtype = residual.dtype
        total = rows
        if not branches.plain or rows1 is not None:
            total = branches.weighed(rows)
            if rows1 is not None:
                total = total + branches.weighed(rows1, second=True)
        # The sum is the input itself where nothing was added and its dtype is the same.
        same = added is None and sum_dtype == total.dtype
        y, y1, h = _operators.forward(
            *(total, added, weight, bias, weight1, bias1, eps, zero_centered_weight, is_rms_norm),
            *(None if same else sum_dtype, x.dtype if out_dtype is None else out_dtype),
        )
        h = total if same else h
        ctx.save_for_backward(h, weight, weight1, *branches[:3])
        ctx.keep_scale = branches.keep_scale
        ctx.options = eps, zero_centered_weight, is_rms_norm
        ctx.given = bias is not None, residual is not None, x1 is not None, bias1 is not None
        ctx.prenorm, ctx.shape = prenorm, shape
        ctx.dtypes = x.dtype, x.dtype if x1 is None else x1.dtype
        results = [_store(y.view(shape), out)]
        if weight1 is not None:
            results.append(y1.view(shape))
        if prenorm or residual_out is not None:
            # What is saved for the gradient must not be what the caller may change.
            sums = h.view(shape) if h is not rows else x.view_as(x)
            sums = _store(sums, residual_out)
            results += [sums] if prenorm else []
        if return_dropout_mask:
            masks = [None if m is None else m.view(shape) for m in branches[1:3]]
            ctx.mark_non_differentiable(*(m for m in masks if m is not None))
            return *results, *masks
        return tuple(results) if len(results) > 1 else results[0]

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *more: Any) -> Any:
        """Gradients of the inputs."""
        h, weight, weight1, *branch_tensors = ctx.saved_tensors
        rowscale, mask, mask1 = branch_tensors
        branches = _Branches(rowscale, mask, mask1, ctx.keep_scale)
        has_bias, has_residual, has_x1, has_bias1 = ctx.given
        rest = list(more)
        dy1 = None if weight1 is None else _rows("dy1", rest.pop(0), ctx.shape)
        dh = _rows("dresidual", rest.pop(0), ctx.shape) if ctx.prenorm else None
        # One gradient serves all that were added if they want it in the same dtype.
        dx_dtype = ctx.dtypes[0] if branches.plain else torch.float32
        apart = has_residual and h.dtype != dx_dtype
        dtotal, dresidual, *sums = _operators.backward(
            *(_rows("dy", dy, ctx.shape), dy1, dh, h, weight, weight1, *ctx.options),
            *(dx_dtype, h.dtype if apart else None),
        )
        dx, dx1 = dtotal, dtotal.to(ctx.dtypes[1])
        if not branches.plain:
            dx = branches.weighed(dtotal).to(ctx.dtypes[0])
            dx1 = branches.weighed(dtotal, second=True).to(ctx.dtypes[1]) if has_x1 else dx
        dresidual = dresidual if apart else dtotal
        dweight, dbias, dweight1, dbias1 = (s.to(weight.dtype) for s in sums)
        return (
            dx.view(ctx.shape),
            dweight,
            dbias if has_bias else None,
            dresidual.view(ctx.shape) if has_residual else None,
            dx1.view(ctx.shape) if has_x1 else None,
            None if weight1 is None else dweight1,
            dbias1 if has_bias1 else None,
            *(None,) * 11,
        )


def _without_graph(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    eps: float,
    prenorm: bool,
    residual_in_fp32: bool,
    options: tuple[bool, bool],  # zero_centered_weight, is_rms_norm
    out_dtype: torch.dtype | None,
) -> Any:
    """The results of `LayerNormFn` for a call without its rarer arguments and without gradients."""
    shape = tensor("x", x).shape
    _check_vectors(shape[-1], weight=weight, bias=bias)
    rows = _rows("x", x, shape)
    added = None if residual is None else _rows("residual", residual, shape)
    sum_dtype = None
    if prenorm and residual is not None:
        sum_dtype = residual.dtype
    elif prenorm and residual_in_fp32 and x.dtype != torch.float32:
        sum_dtype = torch.float32
    y, _, h = _operators.forward(
        *(rows, added, weight, bias, None, None, eps, *options),
        *(sum_dtype, x.dtype if out_dtype is None else out_dtype),
    )
    y = y.view(shape)
    return (y, x if sum_dtype is None else h.view(shape)) if prenorm else y


def _is_usual(rare: tuple[Any, ...], differentiable: tuple[Tensor | None, ...]) -> bool:
    """Whether nothing of `rare` is given and no gradient is wanted."""
    if any(value is not None and value is not False for value in rare):
        return False
    return not torch.is_grad_enabled() or not any(
        t is not None and t.requires_grad for t in differentiable
    )


def layer_norm_fn(
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
    residual_in_fp32: bool = False,
    zero_centered_weight: bool = False,
    is_rms_norm: bool = False,
    return_dropout_mask: bool = False,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
    residual_out: Tensor | None = None,
) -> Any:
    """Normalises h = dropout(rowscale * x) + dropout(x1) + residual.

        y = (h - mean(h)) / sqrt(var(h) + eps) * weight + bias

    Args:
      x: fp32|fp16|bf16 [..., D].
      weight: fp32|fp16|bf16 [D].
      bias: like `weight`, or None.
      residual: [..., D] or None, of any of the dtypes.
      x1: like `x` or None: a second branch that is added.
      weight1: like `weight` or None: gives a second result from the same h.
      bias1: like `weight1`, or None.
      eps: float.
      dropout_p: float in [0, 1), of x and x1, from torch's default generator.
      rowscale: [...] or None, factor of each row of x; not with `x1`.
      prenorm: bool. Returns h, too, in the dtype of `residual`.
      residual_in_fp32: bool. h is fp32 if there is no `residual`, else in the dtype of x.
      zero_centered_weight: bool. The factor is weight + 1.
      is_rms_norm: bool. Without mean: y = h / sqrt(mean(h**2) + eps) * weight + bias.
      return_dropout_mask: bool. Returns which values of x and x1 were kept, too.
      out_dtype: dtype of y; default that of x.
      out: [..., D] or None, where y is written to.
      residual_out: [..., D] or None, where h is written to.
    Returns:
      y, or a tuple of y, y1 (with `weight1`), h (with `prenorm`), mask and mask1 (with
      `return_dropout_mask`; bool [..., D], None without dropout). Computed in fp32, rounded once.
    Raises:
      InvalidArgument: shapes, dtypes or values do not fit.
    Source:
      Semantics of flash_attn/ops/triton/layer_norm.py in the original package.
    """
    extras = (x1, weight1, bias1, rowscale, out, residual_out)
    flags = (zero_centered_weight, is_rms_norm, return_dropout_mask, dropout_p > 0)
    fit = residual is None or residual.shape == x.shape
    fit = fit and weight.shape == x.shape[-1:] and out_dtype in (None, x.dtype)
    if fit and all(t is None for t in extras) and not any(flags):
        tensors = [t for t in (x, weight, bias, residual) if t is not None]
        if _torch_does_it(tensors, prenorm or residual is not None):
            # PyTorch has a kernel for just this.
            h = x if residual is None else x + residual
            y = torch.nn.functional.layer_norm(h, weight.shape, weight, bias, eps)
            return (y, h) if prenorm else y
    rare = (x1, weight1, bias1, rowscale, out, residual_out, return_dropout_mask, dropout_p > 0)
    if _is_usual(rare, (x, weight, bias, residual)):
        options = zero_centered_weight, is_rms_norm
        return _without_graph(
            x, weight, bias, residual, eps, prenorm, residual_in_fp32, options, out_dtype
        )
    return LayerNormFn.apply(
        *(x, weight, bias, residual, x1, weight1, bias1, eps, dropout_p, rowscale, prenorm),
        *(residual_in_fp32, zero_centered_weight, is_rms_norm, return_dropout_mask, out_dtype),
        *(out, residual_out),
    )


def rms_norm_fn(
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
    residual_in_fp32: bool = False,
    zero_centered_weight: bool = False,
    return_dropout_mask: bool = False,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
    residual_out: Tensor | None = None,
) -> Any:
    """`layer_norm_fn` without the mean: y = h / sqrt(mean(h**2) + eps) * weight + bias.

    Args:
      x, weight, bias, ...: as there.
    Returns:
      As there.
    Raises:
      InvalidArgument: shapes, dtypes or values do not fit.
    Source:
      Semantics of flash_attn/ops/triton/layer_norm.py in the original package.
    """
    rare = (x1, weight1, bias1, rowscale, out, residual_out, return_dropout_mask, dropout_p > 0)
    if _is_usual(rare, (x, weight, bias, residual)):
        options = zero_centered_weight, True
        return _without_graph(
            x, weight, bias, residual, eps, prenorm, residual_in_fp32, options, out_dtype
        )
    return LayerNormFn.apply(
        *(x, weight, bias, residual, x1, weight1, bias1, eps, dropout_p, rowscale, prenorm),
        *(residual_in_fp32, zero_centered_weight, True, return_dropout_mask, out_dtype),
        *(out, residual_out),
    )


def layer_norm_linear_fn(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor | None,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    residual: Tensor | None = None,
    eps: float = 1e-6,
    prenorm: bool = False,
    residual_in_fp32: bool = False,
    is_rms_norm: bool = False,
) -> Any:
    """A norm as in `layer_norm_fn`, then a linear layer.

    Args:
      x, residual, eps, prenorm, residual_in_fp32, is_rms_norm: as for `layer_norm_fn`.
      norm_weight: [D].
      norm_bias: [D] or None.
      linear_weight: [out features, D].
      linear_bias: [out features] or None.
    Returns:
      [..., out features], or (that, h) with `prenorm`.
    Source:
      Semantics of flash_attn/ops/triton/layer_norm.py in the original package.
    """
    y, h = layer_norm_fn(
        x,
        norm_weight,
        norm_bias,
        residual,
        eps=eps,
        prenorm=True,
        residual_in_fp32=residual_in_fp32,
        is_rms_norm=is_rms_norm,
    )
    bias = None if linear_bias is None else linear_bias.to(y.dtype)
    result = torch.nn.functional.linear(y, linear_weight.to(y.dtype), bias)
    return (result, h) if prenorm else result


class RMSNorm(torch.nn.Module):
    """RMS norm with residual and dropout, see `rms_norm_fn`."""

    def __init__(
        self,
        hidden_size: int,
        eps: float = 1e-5,
        dropout_p: float = 0.0,
        zero_centered_weight: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """
        Args:
          hidden_size: int, D.
          eps, dropout_p, zero_centered_weight: as for `rms_norm_fn`; dropout in training only.
        """
        super().__init__()
        self.eps = eps
        self.drop = torch.nn.Dropout(dropout_p) if dropout_p > 0 else None
        self.zero_centered_weight = zero_centered_weight
        self.weight = torch.nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the factor to one."""
        torch.nn.init.constant_(self.weight, 0.0 if self.zero_centered_weight else 1.0)

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,
        prenorm: bool = False,
        residual_in_fp32: bool = False,
    ) -> Any:
        """See `rms_norm_fn`."""
        return rms_norm_fn(
            x,
            self.weight,
            None,
            residual=residual,
            eps=self.eps,
            dropout_p=self.drop.p if self.drop is not None and self.training else 0.0,
            prenorm=prenorm,
            residual_in_fp32=residual_in_fp32,
            zero_centered_weight=self.zero_centered_weight,
        )
