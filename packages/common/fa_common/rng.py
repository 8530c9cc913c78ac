"""Random state of one dropout call."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_state() -> Tensor:
    """Draws (seed, offset) of the counter-based generator, int64 [2].

    Taken from torch's default CPU generator, so `torch.manual_seed` repeats the dropout mask and
    activation checkpointing restores it.
    """
    return torch.randint(0, 2**62, (2,), dtype=torch.int64, device="cpu")
