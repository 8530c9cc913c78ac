"""Number formats of the chip in NumPy, and error bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FP32_ROUNDOFF = 2.0**-24


def to_bf16(x: Array) -> Array:
    """Rounds fp32 to bfloat16 (ties to even); returns its bits as uint16."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def encode(x: Array, dtype: str) -> Array:
    """x as the chip stores it: fp16, bf16 (bits) or fp32."""
    return {"fp16": lambda: x.astype(np.float16), "bf16": lambda: to_bf16(x)}.get(
        dtype, lambda: x.astype(np.float32)
    )()


def decode(x: Array) -> Array:
    """What is stored, in fp64."""
    return (from_bf16(x) if x.dtype == np.uint16 else x).astype(np.float64)


def product_bound(a: Array, b: Array) -> Array:
    """What a @ b may be off by when the products are exact and the k sums are rounded to fp32.

    Each of the k additions rounds once, whatever their order: |error| <= k * u * sum |a||b|, in
    first order (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
    """
    return np.asarray(1.01 * a.shape[-1] * FP32_ROUNDOFF * (np.abs(a) @ np.abs(b)))
