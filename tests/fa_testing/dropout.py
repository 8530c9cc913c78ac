"""The documented dropout generator, restated in numpy (core: src/problem/dropout_bits.h).

One Philox4x32-10 block per (entry, query head, query) gives a row key; a 32-bit mix of that key
and the key block gives four bytes, one per key. A key is kept while its byte is at most
floor((1 - p) * 255).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

MASK32 = 0xFFFFFFFF
Words = NDArray[np.uint32]


def philox4x32(
    counter: tuple[int, int, int, int], key: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Ten rounds of Philox4x32 (Salmon et al., SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (right >> 32) ^ c1 ^ k0,
            right & MASK32,
            (left >> 32) ^ c3 ^ k1,
            left & MASK32,
        )
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c0, c1, c2, c3


def lowbias32(x: Words) -> Words:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    mixed: Words = x ^ (x >> np.uint32(16))
    return mixed


def row_bytes(seed: int, offset: int, query: int, head: int, kv_len: int) -> Words:
    """The random bytes of keys 0 .. kv_len - 1 for one (query, entry * heads + head)."""
    words = (query, head, offset & MASK32, (offset >> 32) & MASK32)
    k0, k1, _, _ = philox4x32(words, (seed & MASK32, (seed >> 32) & MASK32))
    keys = np.arange(kv_len, dtype=np.uint32)
    mixed = lowbias32((keys >> np.uint32(2)) * np.uint32(k1 | 1) + np.uint32(k0))
    chosen: Words = (mixed >> (np.uint32(8) * (keys & np.uint32(3)))) & np.uint32(255)
    return chosen


def threshold(p: float) -> int:
    return math.floor((1.0 - p) * 255.0)


def keep_mask(
    seed: int, offset: int, entry: int, heads: int, q_len: int, kv_len: int, p: float
) -> torch.Tensor:
    """bool [heads, q_len, kv_len] of one batch entry."""
    limit = threshold(p)
    keep = np.empty((heads, q_len, kv_len), dtype=np.uint8)
    for h in range(heads):
        for i in range(q_len):
            keep[h, i] = row_bytes(seed, offset, i, entry * heads + h, kv_len) <= limit
    # Not torch.from_numpy: old torch and new numpy do not know each other.
    flat = torch.frombuffer(bytearray(keep.tobytes() or b"\0"), dtype=torch.uint8)
    return flat[: keep.size].reshape(keep.shape).bool()
