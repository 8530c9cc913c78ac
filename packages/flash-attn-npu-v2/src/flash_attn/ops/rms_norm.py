"""RMS norm under the names of a CUDA extension, computed by `ops.triton.layer_norm`."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from flash_attn._common.errors import NotSupported
from flash_attn.ops.triton.layer_norm import rms_norm_fn

__all__ = [
    "DropoutAddRMSNorm",
    "RMSNorm",
    "dropout_add_rms_norm",
    "dropout_add_rms_norm_parallel_residual",
    "dropout_add_rms_norm_subset",
    "rms_norm",
]


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / sqrt(mean(x**2) + epsilon) * weight over the last dim.

    Args:
      x: fp32|fp16|bf16 [..., D].
      weight: [D].
      epsilon: float.
    Returns:
      Like x.
    """
    result: Tensor = rms_norm_fn(x, weight, None, eps=epsilon)
    return result


def _ordered(results: Any, count: int, prenorm: bool, mask: bool) -> Any:
    """(results..., h, masks...) without the masks that there are not."""
    if not mask:
        return results
    kept = count + int(prenorm)
    return (*results[:kept], *results[kept : kept + count])


def dropout_add_rms_norm(
    x0: Tensor,
    residual: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    dropout_p: float,
    epsilon: float,
    rowscale: Tensor | None = None,
    layerscale: Tensor | None = None,
    prenorm: bool = False,
    residual_in_fp32: bool = False,
    return_dropout_mask: bool = False,
) -> Any:
    """RMS norm of h = dropout(rowscale * layerscale * x0) + residual.

    Args:
      x0: fp32|fp16|bf16 [..., D].
      residual: [..., D] or None.
      weight: [D].
      bias: [D] or None.
      dropout_p: float in [0, 1).
      epsilon: float.
      rowscale: [...] or None, factor of rows.
      layerscale: [D] or None, factor of columns.
      prenorm, residual_in_fp32, return_dropout_mask: as for `rms_norm_fn`.
    Returns:
      y, or a tuple of y, h (with `prenorm`) and the mask (with `return_dropout_mask`).
    """
    results = rms_norm_fn(
        x0 if layerscale is None else x0 * layerscale.to(x0.dtype),
        weight,
        bias,
        residual=residual,
        eps=epsilon,
        dropout_p=dropout_p,
        rowscale=rowscale,
        prenorm=prenorm,
        residual_in_fp32=residual_in_fp32,
        return_dropout_mask=return_dropout_mask,
    )
    return _ordered(results, 1, prenorm, return_dropout_mask)


def dropout_add_rms_norm_subset(
    x0: Tensor,  # noqa: ARG001
    residual: Tensor | None,  # noqa: ARG001
    weight: Tensor,  # noqa: ARG001
    bias: Tensor | None,  # noqa: ARG001
    dropout_p: float,  # noqa: ARG001
    epsilon: float,  # noqa: ARG001
    layerscale: Tensor | None = None,  # noqa: ARG001
    x0_subset: Tensor | None = None,  # noqa: ARG001
    out_subset: Tensor | None = None,  # noqa: ARG001
    rowscale_const: float = 1.0,  # noqa: ARG001
    out_numrows: int = 0,  # noqa: ARG001
    prenorm: bool = False,  # noqa: ARG001
    residual_in_fp32: bool = False,  # noqa: ARG001
    return_dropout_mask: bool = False,  # noqa: ARG001
) -> NoReturn:
    """Not supported: index the rows and call `dropout_add_rms_norm`."""
    raise NotSupported(
        "dropout_add_rms_norm_subset: got subsets of rows, supported are all rows "
        "(index x0 and the result with dropout_add_rms_norm)"
    )


def dropout_add_rms_norm_parallel_residual(
    x0: Tensor,
    x1: Tensor | None,
    residual: Tensor | None,
    weight0: Tensor,
    bias0: Tensor | None,
    weight1: Tensor | None,
    bias1: Tensor | None,
    dropout_p: float,
    epsilon: float,
    prenorm: bool = False,
    residual_in_fp32: bool = False,
    return_dropout_mask: bool = False,
) -> Any:
    """Two RMS norms of one h = dropout(x0) + dropout(x1) + residual.

    Args:
      x0: fp32|fp16|bf16 [..., D].
      x1: like x0, or None.
      weight0, bias0: of the first norm, [D].
      weight1, bias1: of the second norm, [D] or None.
      residual, dropout_p, epsilon, prenorm, residual_in_fp32, return_dropout_mask: as for
          `dropout_add_rms_norm`.
    Returns:
      (y0, y1), then h (with `prenorm`) and both masks (with `return_dropout_mask`); y1 is None
      without `weight1`.
    """
    results = rms_norm_fn(
        x0,
        weight0,
        bias0,
        residual=residual,
        x1=x1,
        weight1=weight1,
        bias1=bias1,
        eps=epsilon,
        dropout_p=dropout_p,
        prenorm=prenorm,
        residual_in_fp32=residual_in_fp32,
        return_dropout_mask=return_dropout_mask,
    )
    if weight1 is not None:
        return results
    first, *rest = results if isinstance(results, tuple) else (results,)
    return first, None, *rest


class RMSNorm(torch.nn.Module):
    """`rms_norm` with its weight."""

    def __init__(
        self,
        hidden_size: int,
        eps: float = 1e-5,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """
        Args:
          hidden_size: int, D.
          eps: float.
        """
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ones."""
        torch.nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """See `rms_norm`."""
        return rms_norm(x, self.weight, self.eps)


class DropoutAddRMSNorm(torch.nn.Module):
    """`dropout_add_rms_norm` with its weight; dropout in training only."""

    def __init__(
        self,
        hidden_size: int,
        prenorm: bool = False,
        p: float = 0.0,
        eps: float = 1e-5,
        residual_in_fp32: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """
        Args:
          hidden_size: int, D.
          prenorm, eps, residual_in_fp32: as for `dropout_add_rms_norm`; p is its dropout_p.
        """
        super().__init__()
        self.prenorm = prenorm
        self.p = p
        self.eps = eps
        self.residual_in_fp32 = residual_in_fp32
        self.weight = torch.nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ones."""
        torch.nn.init.ones_(self.weight)

    def forward(self, x0: Tensor, residual: Tensor | None = None) -> Any:
        """See `dropout_add_rms_norm`."""
        return dropout_add_rms_norm(
            x0,
            residual,
            self.weight,
            None,
            self.p if self.training else 0.0,
            self.eps,
            prenorm=self.prenorm,
            residual_in_fp32=self.residual_in_fp32,
        )
