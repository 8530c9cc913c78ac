"""Cross entropy with label smoothing and z-loss, over a whole or a split vocabulary.

The operators `cross_entropy`, `cross_entropy_backward` and, in place, `cross_entropy_backward_`.
With x = logit_scale * logits: loss = lse(x) - (1 - s) * x[label] - s * mean(x) + z * lse(x)^2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flash_attn._common.cpu import increment_version
from flash_attn._common.wheel import native

from .register import define, is_native

_OPTIONS = """float smoothing, float logit_scale, float lse_square_scale, SymInt ignore_index,
  SymInt total_classes, SymInt class_start"""
_CHUNK = 1 << 20  # logits that are converted to fp32 at a time


def _rows_per_chunk(logits: Tensor) -> int:
    return max(1, _CHUNK // max(logits.shape[1], 1))


def _plain(
    logits: Tensor,
    labels: Tensor,
    given_lse: Tensor | None,
    smoothing: float,
    logit_scale: float,
    lse_square_scale: float,
    ignore_index: int,
    total_classes: int,
    class_start: int,
    split: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, z-losses and lse. With `split`, lse is that of the part and not in the losses."""
    losses, z_losses, lse = (logits.new_empty(logits.shape[0], dtype=torch.float32) for _ in "lzl")
    size = _rows_per_chunk(logits)
    for begin in range(0, logits.shape[0], size):
        rows = slice(begin, begin + size)
        x = logits[rows].float() * logit_scale
        here = torch.logsumexp(x, -1) if given_lse is None else given_lse[rows].float()
        column = labels[rows].to(torch.int64) - class_start
        owned = (column >= 0) & (column < x.shape[1])
        column = column.clamp(0, max(x.shape[1] - 1, 0))
        ignored = labels[rows] == ignore_index
        whole = 0.0 if split else here
        loss = torch.where(owned, whole - (1 - smoothing) * x.gather(1, column[:, None])[:, 0], 0.0)
        if smoothing > 0:
            mean = x.sum(-1) / total_classes
            loss = torch.where(owned, loss - smoothing * mean, smoothing * (whole - mean))
        z = torch.zeros_like(here) if split else lse_square_scale * here.square()
        lse[rows] = here
        z_losses[rows] = z.masked_fill(ignored, 0.0)
        losses[rows] = (loss + z).masked_fill(ignored, 0.0)
    return losses, z_losses, lse


def _plain_into(
    target: Tensor,
    dloss: Tensor,
    logits: Tensor,
    lse: Tensor,
    labels: Tensor,
    smoothing: float,
    logit_scale: float,
    lse_square_scale: float,
    ignore_index: int,
    total_classes: int,
    class_start: int,
) -> None:
    size = _rows_per_chunk(logits)
    for begin in range(0, logits.shape[0], size):
        rows = slice(begin, begin + size)
        factor = dloss[rows].float().masked_fill(labels[rows] == ignore_index, 0.0) * logit_scale
        # In place, as a chunk is all the memory that this may take.
        p = logits[rows].to(torch.float32, copy=True)
        p.mul_(logit_scale).sub_(lse[rows, None]).exp_()
        p.mul_((1 + 2 * lse_square_scale * lse[rows])[:, None])
        if smoothing > 0:
            p.sub_(smoothing / total_classes)
        column = labels[rows].to(torch.int64) - class_start
        owned = (column >= 0) & (column < p.shape[1])
        at = column.clamp(0, max(p.shape[1] - 1, 0))[:, None]
        p.scatter_add_(1, at, torch.where(owned, smoothing - 1.0, 0.0)[:, None])
        target[rows] = p.mul_(factor[:, None])


def _plain_backward(dloss: Tensor, logits: Tensor, *rest: Any) -> Tensor:
    dlogits = torch.empty_like(logits, memory_format=torch.contiguous_format)
    _plain_into(dlogits, dloss, logits, *rest)
    return dlogits


def _plain_backward_in_place(dloss: Tensor, logits: Tensor, *rest: Any) -> None:
    _plain_into(logits, dloss, logits, *rest)


def _native(
    logits: Tensor,
    labels: Tensor,
    given_lse: Tensor | None,
    smoothing: float,
    logit_scale: float,
    lse_square_scale: float,
    ignore_index: int,
    total_classes: int,
    class_start: int,
    split: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    options = smoothing, logit_scale, lse_square_scale, ignore_index, total_classes, class_start
    if not is_native(logits):
        return _plain(logits, labels, given_lse, *options, split)
    losses, z_losses, lse = _fake(logits)
    given_lse = None if given_lse is None else given_lse.float().contiguous()
    native.cross_entropy(
        *(logits, _indices(labels), given_lse, losses, z_losses, lse, *options, split),
        torch.get_num_threads(),
    )
    return losses, z_losses, lse


def _indices(labels: Tensor) -> Tensor:
    kept = labels.dtype in (torch.int32, torch.int64)
    return (labels if kept else labels.to(torch.int64)).contiguous()


def _native_into(
    target: Tensor, dloss: Tensor, logits: Tensor, lse: Tensor, labels: Tensor, *options: Any
) -> None:
    if not is_native(logits, target):
        _plain_into(target, dloss, logits, lse, labels, *options)
        return
    native.cross_entropy_backward(
        *(dloss.float().contiguous(), logits, lse.contiguous(), _indices(labels), target),
        *(*options, torch.get_num_threads()),
    )
    if target is logits:
        increment_version(logits)


def _native_backward(dloss: Tensor, logits: Tensor, *rest: Any) -> Tensor:
    dlogits = torch.empty_like(logits, memory_format=torch.contiguous_format)
    _native_into(dlogits, dloss, logits, *rest)
    return dlogits


def _native_backward_in_place(dloss: Tensor, logits: Tensor, *rest: Any) -> None:
    _native_into(logits, dloss, logits, *rest)


def _fake(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    losses, z_losses, lse = (logits.new_empty(logits.shape[0], dtype=torch.float32) for _ in "lzl")
    return losses, z_losses, lse


def _fake_backward(dloss: Tensor, logits: Tensor, *_: Any) -> Tensor:  # noqa: ARG001
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _fake_backward_in_place(*_: Any) -> None:
    return None


forward = define(
    f"cross_entropy(Tensor logits, Tensor labels, Tensor? given_lse, {_OPTIONS}, bool split) "
    "-> (Tensor, Tensor, Tensor)",
    *(_plain, _native, _fake),
)
backward = define(
    f"cross_entropy_backward(Tensor dloss, Tensor logits, Tensor lse, Tensor labels, {_OPTIONS}) "
    "-> Tensor",
    *(_plain_backward, _native_backward, _fake_backward),
)
backward_ = define(
    f"cross_entropy_backward_(Tensor dloss, Tensor(a!) logits, Tensor lse, Tensor labels, "
    f"{_OPTIONS}) -> ()",
    *(_plain_backward_in_place, _native_backward_in_place, _fake_backward_in_place),
)
