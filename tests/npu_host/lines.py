"""Tensors that begin on a line of L2, as on a device: predicted times depend on it."""

from __future__ import annotations

import torch
from torch import Tensor

LINE = 512  # bytes


def halves_on_a_line(*shape: int) -> Tensor:
    """Random fp16 in host memory."""
    values = torch.randn(*shape).half()
    room = torch.empty(values.numel() + LINE // 2, dtype=values.dtype)
    skipped = -room.data_ptr() % LINE // 2
    return room[skipped : skipped + values.numel()].view(shape).copy_(values)
