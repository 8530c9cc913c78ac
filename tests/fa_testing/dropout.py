"""What the documented dropout generator keeps, as tensors."""

from __future__ import annotations

import numpy as np
import torch

from fa_testing.dropout_bits import head_bytes, threshold


def keep_mask(
    seed: int, offset: int, entry: int, heads: int, q_len: int, kv_len: int, p: float
) -> torch.Tensor:
    """bool [heads, q_len, kv_len] of one batch entry."""
    limit = threshold(p)
    keep = np.empty((heads, q_len, kv_len), dtype=np.uint8)
    for h in range(heads):
        keep[h] = head_bytes(seed, offset, entry * heads + h, q_len, kv_len) <= limit
    # Not torch.from_numpy: old torch and new numpy do not know each other.
    flat = torch.frombuffer(bytearray(keep.tobytes() or b"\0"), dtype=torch.uint8)
    return flat[: keep.size].reshape(keep.shape).bool()
