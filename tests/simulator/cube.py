"""Layouts and kernels of the cube side, restated for its tests.

Nothing here is shared with the simulator: the layouts are those of the documentation, as NumPy
reshapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TYPES = {"fp16": 0, "bf16": 1, "fp32": 2, "int8": 3, "uint8": 4, "int32": 5, "int4": 6}
MEMORIES = {"L1": 0, "L0A": 1, "L0B": 2, "L0C": 3, "BT": 4, "FB": 5}
L0_BYTES = 65536
L0C_BYTES = 131072


def to_bf16(values: Array) -> Array:
    """Bits of bfloat16, rounded to nearest, ties to even. No NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def round_up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


def padded(matrix: Array, rows: int, columns: int) -> Array:
    """The matrix with zeros up to rows x columns."""
    out = np.zeros((rows, columns), matrix.dtype)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out


def zz(matrix: Array, c0: int, k_step: int = 0) -> Array:
    """[m, k] as L0A holds it: [m / 16][k / c0][16][c0]."""
    full = padded(matrix, round_up(matrix.shape[0], 16), round_up(matrix.shape[1], k_step or c0))
    m, k = full.shape
    return np.ravel(full.reshape(m // 16, 16, k // c0, c0).transpose(0, 2, 1, 3))


def nz(matrix: Array, c0: int, k_step: int = 0) -> Array:
    """[k, n] as L0B holds it: [k / c0][n / 16][16 of n][c0 of k]."""
    full = padded(matrix, round_up(matrix.shape[0], k_step or c0), round_up(matrix.shape[1], 16))
    k, n = full.shape
    return np.ravel(full.reshape(k // c0, c0, n // 16, 16).transpose(0, 2, 3, 1))


def zn(matrix: Array, c0: int = 16) -> Array:
    """[m, n] as L0C (and L1) holds it: [n / c0][m / 16][16][c0]."""
    full = padded(matrix, round_up(matrix.shape[0], 16), round_up(matrix.shape[1], c0))
    m, n = full.shape
    return np.ravel(full.reshape(m // 16, 16, n // c0, c0).transpose(2, 0, 1, 3))


def from_zn(flat: Array, m: int, n: int) -> Array:
    rows, columns = round_up(m, 16), round_up(n, 16)
    full = flat[: rows * columns].reshape(columns // 16, rows // 16, 16, 16)
    return np.asarray(full.transpose(1, 2, 0, 3).reshape(rows, columns)[:m, :n])


def image(values: Array, size: int, at: int = 0) -> tuple[Array, Array]:
    """A memory of `size` bytes that holds `values` from byte `at`, and which bytes are written."""
    raw = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    data, known = np.full(size, 0xFF, np.uint8), np.zeros(size, np.uint8)
    data[at : at + raw.size] = raw
    known[at : at + raw.size] = 1
    return data, known


@dataclass
class Outcome:
    data: Array
    known: Array
    reports: list[str]


def options(sim: ModuleType, **changes: bool) -> Any:
    chosen = sim.Options()
    chosen.hazards = False
    for name, value in changes.items():
        setattr(chosen, name, value)
    return chosen


def run_load(
    sim: ModuleType,
    form: str,
    dtype: str,
    to: str,
    numbers: list[int],
    source: Array,
    known: Array | None = None,
    size: int = L0_BYTES,
) -> Outcome:
    """One load with L1 (or GM) holding `source`; gives all of the target memory."""
    raw = np.frombuffer(np.ascontiguousarray(source).tobytes(), np.uint8).copy()
    flags = np.ones(raw.size, np.uint8) if known is None else known
    code = {"2d": 0, "transpose": 1, "3d": 2, "2d gm": 3}[form]
    table = np.array([code, TYPES[dtype], MEMORIES[to], *numbers], np.int64)
    out, out_known = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    arguments = [raw, flags, raw.size, table, out, out_known, size]
    result = sim.run("cube_load", 1, arguments, [], options(sim))
    return Outcome(out, out_known, list(result.reports))


@dataclass
class MmadCall:
    m: int
    n: int
    k: int
    unit_flag: int = 0
    align_k: bool = False
    init: bool = True
    source_bt: bool = False
    is_bias: bool = False
    bias: int = -1
    hf32: int = 0
    c: int = 0
    a: int = 0
    b: int = 0
    barrier: bool = True

    def numbers(self) -> list[int]:
        return [int(v) for v in vars(self).values()]


def run_mmad(
    sim: ModuleType,
    dtype: int,
    calls: list[MmadCall],
    a: tuple[Array, Array],
    b: tuple[Array, Array],
    bias: Array | None = None,
    c: tuple[Array, Array] | None = None,
    **changes: bool,
) -> Outcome:
    bias_image = image(np.zeros(0, np.uint8) if bias is None else bias, 1024)
    data, known = image(np.zeros(0, np.uint8), L0C_BYTES) if c is None else c
    numbers = [dtype, len(calls)] + [v for call in calls for v in call.numbers()]
    table = np.array(numbers, np.int64)
    arguments = [*a, *b, *bias_image, table, data, known]
    result = sim.run("cube_mmad", 1, arguments, [], options(sim, **changes))
    return Outcome(data, known, list(result.reports))


@dataclass
class FixpipeCall:
    source: str = "fp32"
    target: str = "fp32"
    nz: bool = False
    to_gm: bool = True
    scales_at: int = -1
    src: int = 0
    dst: int = 0
    atomic: bool = False
    n: int = 16
    m: int = 16
    src_stride: int = 16
    dst_stride: int = 16
    quant: int = 0
    scale_given: bool = False
    scale: int = 0
    matrices: int = 1
    src_matrix_stride: int = 0
    dst_matrix_stride: int = 0
    relu: bool = False
    unit_flag: int = 0
    split: bool = False
    copy: bool = False  # DataCopy instead of Fixpipe
    flags: bool = True  # SetFixpipeNz2ndFlag before a DataCopy

    def numbers(self) -> list[int]:
        values = dict(vars(self))
        values["source"] = TYPES[self.source]
        values["target"] = TYPES[self.target]
        return [int(v) for v in values.values()]


def run_fixpipe(
    sim: ModuleType,
    call: FixpipeCall,
    c: tuple[Array, Array],
    out: Array,
    scales: Array | None = None,
) -> Outcome:
    """`out` is the target in GM (changed in place), or receives the start of L1."""
    held = np.zeros(256, np.uint64)
    if scales is not None:
        held[: scales.size] = scales
    known = np.zeros(out.size, np.uint8)
    table = np.array(call.numbers(), np.int64)
    arguments = [*c, held, table, out, known, out.size]
    result = sim.run("cube_fixpipe", 1, arguments, [], options(sim))
    return Outcome(out, known, list(result.reports))
