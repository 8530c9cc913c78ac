"""LoadData in all its forms against a restatement by loops, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import pytest

from simulator.cube import L0_BYTES, Array, Outcome, round_up, run_load

BYTES = {"fp16": 2, "bf16": 2, "fp32": 4, "int8": 1, "uint8": 1, "int32": 4}
UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32}
FRACTAL = 512


def source_bytes(rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    known = np.ones(size, np.uint8)
    known[rng.integers(0, size, size // 40)] = 0
    return rng.integers(0, 256, size).astype(np.uint8), known


def agree(got: Outcome, want: dict[int, tuple[int, int]]) -> None:
    """`want` maps a byte of the target to its value and whether it is written."""
    assert got.reports == []
    data, known = np.full(L0_BYTES, 0xFF, np.uint8), np.zeros(L0_BYTES, np.uint8)
    for at, (value, defined) in want.items():
        data[at], known[at] = value, defined
    np.testing.assert_array_equal(got.known, known)
    np.testing.assert_array_equal(got.data[known == 1], data[known == 1])


@pytest.mark.parametrize("to", ["L0A", "L0B"])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_2d(sim: ModuleType, to: str, transpose: bool, seed: int) -> None:
    rng = np.random.default_rng([seed, transpose])
    raw, known = source_bytes(rng, 60 * FRACTAL)
    repeats, stride = int(rng.integers(1, 9)), int(rng.integers(0, 5))
    down = bool(rng.integers(2))
    start = int(rng.integers(0, 8)) + (stride * (repeats - 1) if down else 0)
    gap, dst, src = int(rng.integers(0, 4)), FRACTAL * int(rng.integers(0, 5)), 32 * seed
    numbers = [start, repeats, stride, gap, int(transpose), int(down), dst, src]
    got = run_load(sim, "2d", "bf16", to, numbers, raw, known)
    want = {}
    for r in range(repeats):
        first = src + FRACTAL * (start + (-r if down else r) * stride)
        for row in range(16):
            for column in range(16):
                i, j = (column, row) if transpose else (row, column)
                for b in range(2):
                    at = dst + r * (gap + 1) * FRACTAL + (row * 16 + column) * 2 + b
                    source = first + (i * 16 + j) * 2 + b
                    want[at] = (raw[source], known[source])
    agree(got, want)


@pytest.mark.parametrize("to", ["L0A", "L0B", "L1"])
def test_2d_from_gm(sim: ModuleType, to: str) -> None:
    rng = np.random.default_rng(3)
    raw = rng.integers(0, 256, 20 * FRACTAL).astype(np.uint8)
    got = run_load(sim, "2d gm", "int8", to, [1, 4, 3, 1, 0, 0, 1024, 7], raw, np.zeros_like(raw))
    data = got.data.reshape(-1, FRACTAL)
    assert got.reports == []
    for r in range(4):
        first = 7 + FRACTAL * (1 + 3 * r)
        np.testing.assert_array_equal(data[2 + 2 * r], raw[first : first + FRACTAL])
        assert got.known.reshape(-1, FRACTAL)[2 + 2 * r].all()


@pytest.mark.parametrize("to", ["L0A", "L0B"])
@pytest.mark.parametrize("dtype", ["fp16", "fp32", "int8", "int32"])
@pytest.mark.parametrize("seed", range(3))
def test_with_transpose(sim: ModuleType, to: str, dtype: str, seed: int) -> None:
    rng = np.random.default_rng([seed, BYTES[dtype]])
    raw, known = source_bytes(rng, 64 * FRACTAL)
    size = BYTES[dtype]
    side, c0 = (32 if size == 1 else 16), 32 // size
    fractals = 1 if size == 2 else 2
    repeats, stride, start = int(rng.integers(1, 5)), int(rng.integers(0, 4)), seed
    # Neither the fractals of one square nor those of different squares may meet.
    gap, fractal_gap = (1, 0) if seed % 2 == 0 else (0, repeats)
    numbers = [start, repeats, stride, gap, fractal_gap, 0, FRACTAL, 32]
    got = run_load(sim, "transpose", dtype, to, numbers, raw, known)
    want = {}
    for r in range(repeats):
        square = 32 + (start + r * stride) * fractals * FRACTAL
        for row in range(side):
            for column in range(side):
                # Where T[row][column] goes, and where S[column][row] is.
                if size == 1:
                    piece, inside = divmod(row * side + column, 512)
                    source = column * side + row
                else:
                    piece, inside = column // c0, row * c0 + column % c0
                    source = row // c0 * side * c0 + column * c0 + row % c0
                at = FRACTAL * (1 + r * (gap + 1) + piece * (fractal_gap + 1)) + inside * size
                for b in range(size):
                    byte = square + source * size + b
                    want[at + b] = (raw[byte], known[byte])
    agree(got, want)


@dataclass
class Load3d:
    pads: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    height: int = 1
    width: int = 32
    channels: int = 32
    k_extension: int = 32
    m_extension: int = 32
    k_start: int = 0
    m_start: int = 0
    stride_w: int = 1
    stride_h: int = 1
    filter_w: int = 1
    filter_h: int = 1
    dilation_w: int = 1
    dilation_h: int = 1
    transpose: bool = False
    pad_value: int = 0
    right: bool = False
    mode: int = 0

    def numbers(self) -> list[int]:
        values = list(vars(self).values())
        return [*self.pads, *(int(v) for v in values[1:])]


def matrix_of(x: Array, p: Load3d, c0: int) -> Array:
    """Image to column: x is [c1][h][w][c0], the result [output position][c1, fh, fw, c0]."""
    left, right, top, bottom = p.pads
    c1 = p.channels // c0
    full = np.pad(
        x.reshape(c1, p.height, p.width, c0),
        ((0, 0), (top, bottom), (left, right), (0, 0)),
        constant_values=p.pad_value,
    )
    out_h = (full.shape[1] - (p.filter_h - 1) * p.dilation_h - 1) // p.stride_h + 1
    out_w = (full.shape[2] - (p.filter_w - 1) * p.dilation_w - 1) // p.stride_w + 1
    rows = []
    for i in range(out_h):
        for j in range(out_w):
            h = i * p.stride_h + np.arange(p.filter_h) * p.dilation_h
            w = j * p.stride_w + np.arange(p.filter_w) * p.dilation_w
            rows.append(full[:, h][:, :, w].reshape(-1))
    return np.stack(rows)


def target_of(matrix: Array, to: str, transpose: bool, c0: int) -> Array:
    """Fractals of 16 x c0: zZ of the matrix, or zZ or nZ with its columns as rows."""
    m, k = matrix.shape
    if to == "L0A" and not transpose:
        return np.ravel(matrix.reshape(m // 16, 16, k // c0, c0).transpose(0, 2, 1, 3))
    rows = np.zeros((round_up(k, 16), m), matrix.dtype)
    rows[:k] = matrix.T
    tiles = rows.reshape(-1, 16, m // c0, c0)  # [k / 16][16][m / c0][c0]
    if to == "L0A":
        return np.ravel(tiles.transpose(0, 2, 1, 3))
    return np.ravel(tiles.transpose(2, 0, 1, 3))


def check_3d(sim: ModuleType, to: str, dtype: str, p: Load3d) -> None:
    size = BYTES[dtype]
    c0 = 32 // size
    rng = np.random.default_rng(17)
    count = p.channels * p.height * p.width
    x = rng.integers(1, 100, count).astype(UNSIGNED[size])
    got = run_load(sim, "3d", dtype, to, p.numbers(), x)
    assert got.reports == []
    if p.pad_value:
        value = np.zeros(1, np.float16 if size == 2 else np.float32) + p.pad_value
        p = Load3d(**{**vars(p), "pad_value": int(value.view(UNSIGNED[size])[0])})
    all_rows = matrix_of(x, p, c0)
    rows = all_rows[
        p.m_start : p.m_start + p.m_extension, p.k_start : p.k_start + round_up(p.k_extension, c0)
    ]
    full = np.zeros((round_up(p.m_extension, 16), rows.shape[1]), x.dtype)
    known = np.zeros_like(full)
    full[: rows.shape[0]], known[: rows.shape[0]] = rows, 1
    want = target_of(full, to, p.transpose, c0)
    defined = target_of(known, to, p.transpose, c0)
    held = got.data.view(x.dtype)
    flags = got.known.reshape(-1, size).min(axis=1)
    np.testing.assert_array_equal(flags[: want.size], defined)
    assert not flags[want.size :].any()
    np.testing.assert_array_equal(held[: want.size][defined == 1], want[defined == 1])


CASES = [
    Load3d(),
    Load3d(width=48, channels=64, m_extension=16, m_start=16, k_extension=32, k_start=16),
    Load3d(width=21, m_extension=21),
    Load3d(height=6, width=5, m_extension=20, filter_w=3, filter_h=2, k_extension=96),
    Load3d(
        pads=[1, 2, 2, 1], height=5, width=7, channels=16, m_extension=35, filter_w=2, filter_h=3,
        k_extension=96, pad_value=3,
    ),
    Load3d(
        pads=[3, 0, 0, 2], height=9, width=8, channels=32, m_extension=12, stride_w=2, stride_h=3,
        filter_w=2, dilation_w=3, k_extension=64, pad_value=5,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
@pytest.mark.parametrize(("to", "transpose"), [("L0A", False), ("L0A", True), ("L0B", False)])
@pytest.mark.parametrize("mode", [0, 1, 3])
def test_3d(sim: ModuleType, case: int, dtype: str, to: str, transpose: bool, mode: int) -> None:
    check_3d(sim, to, dtype, Load3d(**{**vars(CASES[case]), "transpose": transpose, "mode": mode}))


def test_3d_of_bytes(sim: ModuleType) -> None:
    check_3d(sim, "L0A", "int8", Load3d(channels=64, k_extension=64))


def test_3d_right_feature_map(sim: ModuleType) -> None:
    check_3d(sim, "L0B", "fp32", Load3d(right=True, mode=1))
    got = run_load(sim, "3d", "fp32", "L0B", Load3d(right=True, mode=3).numbers(), np.zeros(2048))
    assert any("no SetFmatrix for this side" in r for r in got.reports), got.reports


@pytest.mark.parametrize(
    ("form", "dtype", "to", "numbers", "text"),
    [
        ("2d", "fp16", "L0A", [0, 256, 1, 0, 0, 0, 0, 0], "repeatTimes 256 does not fit"),
        ("2d", "fp16", "L0A", [65536, 1, 1, 0, 0, 0, 0, 0], "startIndex 65536 does not fit"),
        ("2d", "fp16", "L0A", [0, 1, 65537, 0, 0, 0, 0, 0], "srcStride 65537 does not fit"),
        ("2d", "fp16", "L0A", [0, 1, 1, -1, 0, 0, 0, 0], "dstGap -1 does not fit"),
        ("2d", "fp16", "L0A", [0, 1, 1, 0, 0, 2, 0, 0], "addrMode 2, allowed 0 to 1"),
        ("2d", "fp16", "L0A", [0, 1, 1, 0, 0, 0, 32, 0], "dst: L0A address 32 is not a multiple"),
        ("2d", "fp16", "L0B", [0, 1, 1, 0, 0, 0, 0, 16], "src: L1 address 16 is not a multiple"),
        ("2d", "fp32", "L0A", [0, 1, 1, 0, 1, 0, 0, 0], "ifTranspose needs a 16-bit type"),
        ("2d", "fp16", "L0C", [0, 1, 1, 0, 0, 0, 0, 0], "dst is in L0C"),
        ("2d", "fp16", "L0A", [0, 200, 1, 0, 0, 0, 0, 0], "writes outside of the 65536 bytes"),
        ("2d", "fp16", "L0A", [1022, 2, 1, 0, 0, 0, 0, 0], "reads the last 256 bytes of L1"),
        ("2d", "fp16", "L0A", [1, 3, 1, 0, 0, 1, 0, 0], "L1 bytes [-512, 1024)"),
        ("2d gm", "fp16", "L0A", [0, 9, 1, 0, 0, 0, 0, 0], "reads outside of a buffer of 4096"),
        ("2d gm", "fp16", "L0A", [0, 1, 1, 0, 1, 0, 0, 0], "ifTranspose needs"),
        ("transpose", "fp16", "L0A", [0, 1, 1, 0, 65536, 0, 0, 0], "dstFracGap 65536 does not"),
        ("transpose", "fp16", "L1", [0, 1, 1, 0, 0, 0, 0, 0], "dst is in L1"),
        ("3d", "fp16", "L0A", Load3d(stride_w=64).numbers(), "strideW 64, allowed 0 to 63"),
        ("3d", "fp16", "L0A", Load3d(width=40000).numbers(), "l1W 40000, allowed 0 to 32767"),
        ("3d", "fp16", "L0A", Load3d(channels=65536).numbers(), "channelSize 65536 does not fit"),
        ("3d", "fp16", "L0A", Load3d(k_start=8).numbers(), "kStartPt 8 is not a multiple of 16"),
        ("3d", "fp16", "L0A", Load3d(k_extension=48).numbers(), "exceeds the 32 columns"),
        ("3d", "int8", "L0B", Load3d().numbers(), "8-bit types cannot be transposed"),
        ("3d", "fp16", "L0A", Load3d(mode=2).numbers(), "no SetFmatrix for this side"),
    ],
)
def test_reports(
    sim: ModuleType, form: str, dtype: str, to: str, numbers: list[int], text: str
) -> None:
    got = run_load(sim, form, dtype, to, numbers, np.zeros(8 * FRACTAL, np.uint8))
    assert any(text in report for report in got.reports), got.reports


def test_nothing_happens_without_repeats(sim: ModuleType) -> None:
    source = np.zeros(8 * FRACTAL, np.uint8)
    for form, numbers in (
        ("2d", [0, 0, 1, 0, 0, 0, 0, 0]),
        ("transpose", [0, 0, 1, 0, 0, 0, 0, 0]),
        ("3d", Load3d(m_extension=0).numbers()),
        ("3d", Load3d(height=0).numbers()),
    ):
        got = run_load(sim, form, "fp16", "L0A", numbers, source)
        assert got.reports == [] and not got.known.any()


def test_not_modelled(sim: ModuleType) -> None:
    with pytest.raises(sim.SimulatorBug, match="int4"):
        run_load(
            sim, "transpose", "int4", "L0B", [0, 1, 1, 0, 0, 0, 0, 0], np.zeros(4096, np.uint8)
        )
    with pytest.raises(sim.SimulatorBug, match="channelSize"):
        run_load(sim, "3d", "fp16", "L0A", Load3d(channels=20).numbers(), np.zeros(4096, np.uint8))
