"""Tensors that begin on a line of L2, as on a device: predicted times depend on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from npu.halves import on_a_line


def halves_on_a_line(*shape: int) -> Tensor:
    """Random fp16 in host memory."""
    return torch.from_numpy(on_a_line(shape, np.float16)).copy_(torch.randn(shape))
