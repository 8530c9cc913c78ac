"""Comparison of a result with its target: non-finite positions first, then the bound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_testing.expected import Target


@dataclass(frozen=True)
class Mismatch:
    """The worst element of one result."""

    name: str
    reason: str
    index: tuple[int, ...] = ()
    actual: float = 0.0
    expected: float = 0.0
    bound: float = 0.0
    count: int = 0

    def __str__(self) -> str:
        if not self.index and not self.count:
            return f"{self.name}: {self.reason}"
        error = abs(self.actual - self.expected)
        return (
            f"{self.name}{list(self.index)}: {self.reason}: got {self.actual:.9g}, "
            f"expected {self.expected:.9g} +- {self.bound:.3g} (error {error:.3g}; "
            f"{self.count} such elements)"
        )


def locate(where: Tensor, score: Tensor) -> tuple[int, ...]:
    """Index of the largest score among the marked elements."""
    return unravel(int(score.masked_fill(~where, -1.0).argmax()), where.shape)


def unravel(flat: int, shape: torch.Size) -> tuple[int, ...]:
    """Index of element `flat` of a contiguous tensor (torch 2.1 has no unravel_index)."""
    index: list[int] = []
    for size in reversed(shape):
        flat, place = divmod(flat, size)
        index.insert(0, place)
    return tuple(index)


def describe(
    name: str, reason: str, bad: Tensor, score: Tensor, actual: Tensor, target: Target
) -> Mismatch:
    index = locate(bad, score)
    return Mismatch(
        name,
        reason,
        index,
        float(actual[index]),
        float(target.value[index]),
        float(target.bound[index]),
        int(bad.sum()),
    )


def ratios(actual: Tensor, target: Target) -> Tensor:
    """|error| / bound where both sides are finite; 0 / 0 counts as 0."""
    error = (actual - target.value).abs()
    finite = torch.isfinite(target.value) & torch.isfinite(actual)
    ratio = error / target.bound
    ratio = ratio.masked_fill(error == 0, 0.0)
    return ratio.masked_fill(~finite, 0.0)


def compare(name: str, actual: Tensor, target: Target) -> Mismatch | None:
    """None if every element of `actual` is within its bound."""
    if actual.shape != target.value.shape:
        got, expected = list(actual.shape), list(target.value.shape)
        return Mismatch(name, f"shape: got {got}, expected {expected}")
    actual = actual.detach().double()
    same = (actual == target.value) | (torch.isnan(actual) & torch.isnan(target.value))
    odd = (~torch.isfinite(actual) | ~torch.isfinite(target.value)) & ~same
    if bool(odd.any()):
        return describe(name, "NaN or infinity differs", odd, odd.double(), actual, target)
    ratio = ratios(actual, target)
    bad = ratio > 1.0
    if bool(bad.any()):
        return describe(name, "outside the bound", bad, ratio, actual, target)
    return None
