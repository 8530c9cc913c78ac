"""fp16 and bf16 arrays in NumPy; bf16 is kept as its 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

STORAGE: dict[str, type] = {"fp16": np.float16, "bf16": np.uint16, "int8": np.int8}
# Half a unit in the last place, and half the smallest subnormal.
UNIT = {"fp16": 2.0**-11, "bf16": 2.0**-8}
TINY = {"fp16": 2.0**-25, "bf16": 2.0**-134}


def to_storage(values: Array, dtype: str) -> Array:
    """Rounds to the nearest, ties to even."""
    if dtype == "fp16":
        return values.astype(np.float16)
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def to_float64(stored: Array, dtype: str) -> Array:
    if dtype in ("fp16", "int8"):
        return stored.astype(np.float64)
    return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


LINE = 512  # of L2, in bytes


def on_a_line(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that begin on a line of L2, as tensors in device memory do: predicted time depends on
    where lines end."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(count + LINE, np.uint8)
    at = -raw.ctypes.data % LINE
    result: Array = raw[at : at + count].view(dtype).reshape(shape)
    return result
