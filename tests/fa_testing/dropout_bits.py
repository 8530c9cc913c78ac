"""The documented dropout generator, restated in numpy (core: src/problem/dropout_bits.h).

Words of a family (add, multiply): word n is a 32-bit mix of n * (2 * multiply + 1) + add. One
Philox4x32-10 block per (entry, query head) makes two families, whose words number `query` are the
family of a row; its word n gives four bytes, one for each of the keys 4 n to 4 n + 3. A key is kept
while its byte is at most floor((1 - p) * 255).
"""

from __future__ import annotations

import math

import numpy as np
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


def words(add: Words, multiply: Words, counters: Words) -> Words:
    return lowbias32(counters * (np.uint32(2) * multiply + np.uint32(1)) + add)


def head_bytes(seed: int, offset: int, head: int, queries: int, kv_len: int) -> Words:
    """The random bytes [queries, kv_len] of one head, numbered entry * heads + head."""
    counter = (head, 0, offset & MASK32, (offset >> 32) & MASK32)
    block = philox4x32(counter, (seed & MASK32, (seed >> 32) & MASK32))
    c0, c1, c2, c3 = (np.full(1, word, np.uint32) for word in block)
    numbers = np.arange(queries, dtype=np.uint32)
    add, multiply = words(c0, c1, numbers), words(c2, c3, numbers)
    keys = np.arange(kv_len, dtype=np.uint32)[None]
    mixed = words(add[:, None], multiply[:, None], keys >> np.uint32(2))
    chosen: Words = (mixed >> (np.uint32(8) * (keys & np.uint32(3)))) & np.uint32(255)
    return chosen


def threshold(p: float) -> int:
    return math.floor((1.0 - p) * 255.0)
