"""Cross entropy as a module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flash_attn._common.errors import InvalidArgument, NotSupported
from flash_attn.ops.triton.cross_entropy import cross_entropy_loss


class CrossEntropyLoss(torch.nn.Module):
    """Mean, sum or single values of `ops.triton.cross_entropy.cross_entropy_loss`."""

    def __init__(
        self,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        logit_scale: float = 1.0,
        lse_square_scale: float = 0.0,
        inplace_backward: bool = False,
        process_group: Any = None,
        return_z_loss: bool = False,
    ) -> None:
        """
        Args:
          reduction: "mean" over the rows that are not ignored, "sum" or "none".
          return_z_loss: bool. Returns the z-loss, too; it is not differentiable.
          ignore_index, label_smoothing, logit_scale, lse_square_scale, inplace_backward,
              process_group: as for `cross_entropy_loss`.
        """
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise NotSupported(f"reduction: got {reduction!r}, supported are mean, sum and none")
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.logit_scale = logit_scale
        self.lse_square_scale = lse_square_scale
        self.inplace_backward = inplace_backward
        self.process_group = process_group
        self.return_z_loss = return_z_loss

    def forward(self, input: Tensor, target: Tensor, precomputed_lse: Tensor | None = None) -> Any:  # noqa: A002
        """
        Args:
          input: fp32|fp16|bf16 [N, classes].
          target: int64|int32 [N].
          precomputed_lse: fp32 [N] or None.
        Returns:
          loss, or (loss, z_loss): fp32, [N] for reduction "none", else a scalar.
        """
        if input.device != target.device:
            raise InvalidArgument(f"target: got {target.device}, expected {input.device}")
        loss, z_loss = cross_entropy_loss(
            input,
            target,
            precomputed_lse,
            label_smoothing=self.label_smoothing,
            logit_scale=self.logit_scale,
            lse_square_scale=self.lse_square_scale,
            ignore_index=self.ignore_index,
            inplace_backward=self.inplace_backward,
            process_group=self.process_group,
        )
        loss = self._reduce(loss, target)
        return (loss, self._reduce(z_loss, target)) if self.return_z_loss else loss

    def _reduce(self, values: Tensor, target: Tensor) -> Tensor:
        if self.reduction == "none":
            return values
        total = values.sum()
        return total if self.reduction == "sum" else total / (target != self.ignore_index).sum()
