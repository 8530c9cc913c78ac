"""The Muon optimizer: momentum whose update is made orthogonal. Learns fast in few steps."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# Quintic that pushes every singular value in (0, 1] to about 1 within five rounds.
POLYNOMIAL = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For weight matrices; give embeddings and vectors to another optimizer.

    Args:
      matrices: parameters of two dimensions.
      lr: how far a singular direction of a square matrix moves per step.
      momentum: share of the past in the (Nesterov) direction.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update of every matrix."""
        for group in self.param_groups:
            keep = group["momentum"]
            for weight in group["params"]:
                past = self.state[weight].setdefault("past", torch.zeros_like(weight))
                past.mul_(keep).add_(weight.grad)
                direction = orthogonal(weight.grad + keep * past)
                rows, columns = weight.shape
                weight.sub_(direction, alpha=group["lr"] * max(1.0, rows / columns) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of the singular value decomposition U S V^T, by matrix products alone."""
    a, b, c = POLYNOMIAL
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
