"""Cross entropy of logits, also of a vocabulary that is split over a process group."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from flash_attn._common.errors import InvalidArgument
from flash_attn._common.request import describe, last_dim_contiguous, tensor
from flash_attn._layers import cross_entropy as _operators


def _check(logits: Any, labels: Any, logit_scale: float) -> None:
    if tensor("logits", logits).dim() != 2 or not logits.is_floating_point():
        raise InvalidArgument(f"logits: got {describe(logits)}, expected [N, classes]")
    if tensor("labels", labels).shape != logits.shape[:1] or labels.is_floating_point():
        raise InvalidArgument(
            f"labels: got {describe(labels)}, expected int64|int32 [{logits.shape[0]}]"
        )
    if not logit_scale > 0:
        raise InvalidArgument(f"logit_scale: got {logit_scale}, expected a positive number")


class CrossEntropyLoss(Function):
    """Takes the arguments of `cross_entropy_loss`."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        labels: Tensor,
        precomputed_lse: Tensor | None = None,
        smoothing: float = 0.0,
        logit_scale: float = 1.0,
        lse_square_scale: float = 0.0,
        ignore_index: int = -100,
        inplace_backward: bool = False,
        process_group: Any = None,
    ) -> tuple[Tensor, Tensor]:
        """See the class."""
        _check(logits, labels, logit_scale)
        ranks, rank = 1, 0
        if process_group is not None:
            ranks = torch.distributed.get_world_size(process_group)
            rank = torch.distributed.get_rank(process_group)
        logits = last_dim_contiguous(logits)
        classes = logits.shape[1]
        # An LSE from elsewhere is that of the logits as they are.
        usable = logit_scale == 1.0 and smoothing == 0.0
        options = smoothing, logit_scale, lse_square_scale, ignore_index, ranks * classes
        losses, z_losses, lse = _operators.forward(
            *(logits, labels, precomputed_lse if usable else None, *options, rank * classes),
            ranks > 1,
        )
        if ranks > 1:
            losses, z_losses, lse = _merge(
                losses, lse, labels == ignore_index, lse_square_scale, process_group, ranks
            )
        ctx.save_for_backward(logits, lse, labels)
        ctx.mark_non_differentiable(z_losses)
        ctx.options, ctx.inplace_backward = (*options, rank * classes), inplace_backward
        return losses, z_losses

    @staticmethod
    def backward(ctx: Any, grad_losses: Tensor, _: Any) -> Any:
        """Gradient of the logits, in their memory if `inplace_backward`."""
        logits, lse, labels = ctx.saved_tensors
        arguments = (grad_losses.contiguous(), logits, lse, labels, *ctx.options)
        if ctx.inplace_backward:
            with torch.no_grad():
                _operators.backward_(*arguments)
            dlogits = logits
        else:
            dlogits = _operators.backward(*arguments)
        return dlogits, *(None,) * 8


def _merge(
    losses: Tensor,
    lse: Tensor,
    ignored: Tensor,
    lse_square_scale: float,
    group: Any,
    ranks: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Results of the whole vocabulary from those of the parts, which lack the LSE."""
    parts = [torch.empty_like(lse) for _ in range(ranks)]
    torch.distributed.all_gather(parts, lse, group=group)
    torch.distributed.all_reduce(losses, group=group)
    whole = torch.logsumexp(torch.stack(parts), 0)
    z_losses = (lse_square_scale * whole.square()).masked_fill(ignored, 0.0)
    return (losses + whole + z_losses).masked_fill(ignored, 0.0), z_losses, whole


def cross_entropy_loss(
    logits: Tensor,
    labels: Tensor,
    precomputed_lse: Tensor | None = None,
    label_smoothing: float = 0.0,
    logit_scale: float = 1.0,
    lse_square_scale: float = 0.0,
    ignore_index: int = -100,
    inplace_backward: bool = False,
    process_group: Any = None,
) -> tuple[Tensor, Tensor]:
    """Cross entropy of each row, with x = logit_scale * logits and s = label_smoothing:

        lse(x) - (1 - s) * x[label] - s * mean(x) + lse_square_scale * lse(x)**2

    Args:
      logits: fp32|fp16|bf16 [N, classes], last dim contiguous or else copied.
      labels: int64|int32 [N].
      precomputed_lse: fp32 [N] or None: log of the sum of exp(logits), if it is known. Computed
          anyway where logit_scale or label_smoothing make it another one.
      label_smoothing: float in [0, 1).
      logit_scale: float above 0.
      lse_square_scale: float, factor of the z-loss, the square of the LSE.
      ignore_index: int, label of rows whose loss and gradient are 0.
      inplace_backward: bool. The backward writes the gradient over `logits`, which saves as much
          memory as they take; nothing else may need them then.
      process_group: torch.distributed group or None: each process has the columns of one part of
          the classes, in the order of ranks; labels count over all. Losses are those of the whole.
    Returns:
      (losses, z_losses), fp32 [N]; z_losses is part of losses and not differentiable.
    Raises:
      InvalidArgument: shapes, dtypes or values do not fit.
    Source:
      Semantics of flash_attn/ops/triton/cross_entropy.py in the original package.
    """
    results: tuple[Tensor, Tensor] = CrossEntropyLoss.apply(
        *(logits, labels, precomputed_lse, label_smoothing, logit_scale, lse_square_scale),
        *(ignore_index, inplace_backward, process_group),
    )
    return results
