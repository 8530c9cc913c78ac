"""Moves and fills of a cube core against the documented formulas."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

AREA = 262144
GM = 1 << 20
OPERATIONS = (
    "in out in_count out_count nd2nz fill_l1 fill_l0 to_bt to_fb half_to_bt to_bt_count"
).split()


def run(
    sim: ModuleType,
    operation: str,
    width: int,
    p: list[int],
    memory: tuple[np.ndarray, np.ndarray],
    l1: int = 0,
    at: int = 0,
    value: int = 0,
    record: int = 0,
    cached: int = 1,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    gm, before = memory[0].copy(), memory[1]
    head = [OPERATIONS.index(operation), width, l1, at]
    arguments = np.array([*head, *p, *[0] * (8 - len(p)), value, record, cached], np.int64)
    after = np.zeros(AREA, np.uint8)
    result = sim.run("move_cube", 1, [arguments, gm, before, after], [3])
    return gm, after, result.reports


def random_memory(seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, GM, np.uint8), rng.integers(0, 256, AREA, np.uint8)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("operation", ["in", "out"])
def test_blocks(sim: ModuleType, operation: str, seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    gm, l1 = memory = random_memory([seed, 2])
    count, length, src, dst = (int(rng.integers(0, n)) for n in (20, 40, 40, 40))
    at, l1_at = int(rng.integers(0, 999)), 32 * int(rng.integers(0, 100))
    width = int(rng.choice([1, 2, 4, 8]))
    got_gm, got_l1, reports = run(
        sim, operation, width, [count, length, src, dst], memory, l1_at, at
    )
    assert reports == []
    gm, l1 = gm.copy(), l1.copy()
    for n in range(count):
        s, d = n * 32 * (length + src), n * 32 * (length + dst)
        if operation == "in":
            l1[l1_at + d :][: 32 * length] = gm[at + s :][: 32 * length]
        else:
            gm[at + d :][: 32 * length] = l1[l1_at + s :][: 32 * length]
    np.testing.assert_array_equal(got_gm, gm)
    np.testing.assert_array_equal(got_l1, l1)


@pytest.mark.parametrize("operation", ["in_count", "out_count"])
def test_count_rounds_down(sim: ModuleType, operation: str) -> None:
    gm, l1 = memory = random_memory([3])
    got_gm, got_l1, reports = run(sim, operation, 2, [0, 1007], memory)
    assert reports == []
    whole = 1007 * 2 // 32 * 32
    if operation == "in_count":
        l1[:whole] = gm[:whole]
    else:
        gm[:whole] = l1[:whole]
    np.testing.assert_array_equal(got_gm, gm)
    np.testing.assert_array_equal(got_l1, l1)


def nd2nz(gm: np.ndarray, l1: np.ndarray, width: int, p: list[int]) -> None:
    """The page's formula, element by element."""
    nd_num, n_value, d_value, src_matrix, src_d, dst_c0, dst_n, dst_matrix = p
    c0 = 32 // width
    source = gm[: len(gm) // width * width].view(f"<u{width}")
    target = l1.view(f"<u{width}")
    for m in range(nd_num):
        for n in range(n_value):
            for d in range(-(-d_value // c0) * c0):
                to = m * dst_matrix + (d // c0) * dst_c0 * c0 + n * dst_n * c0 + d % c0
                at = m * src_matrix + n * src_d + d
                target[to] = source[at] if d < d_value else 0


@pytest.mark.parametrize("seed", range(60))
def test_nd2nz(sim: ModuleType, seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    memory = random_memory([seed, 5])
    width = int(rng.choice([1, 2, 4]))
    c0 = 32 // width
    rows, columns = int(rng.integers(0, 40)), int(rng.integers(0, 150))
    matrices = int(rng.choice([0, 1, 1, 1, 2, 3]))
    row_stride = int(rng.integers(1, 3))
    column_stride = max(rows * row_stride, 1) + int(rng.integers(0, 5))
    blocks = -(-columns // c0)
    matrix_stride = blocks * column_stride * c0
    p = [matrices, rows, columns, int(rng.integers(0, 5000)), int(rng.integers(1, 400))]
    p += [column_stride, row_stride, min(matrix_stride, 16384 // c0 * c0)]
    if matrices > 1 and matrix_stride > 16384:
        p[0] = 1
    l1_at = 32 * int(rng.integers(0, 20))
    at = int(rng.integers(0, 100))
    _, got, reports = run(sim, "nd2nz", width, p, memory, l1_at, at)
    assert reports == []
    gm, l1 = memory
    nd2nz(gm[at : at + GM // 2], l1[l1_at : l1_at + AREA // 2], width, p)
    np.testing.assert_array_equal(got, l1)


def test_nd2nz_edges(sim: ModuleType) -> None:
    """One row or one block of columns: strides that are not used may hold anything."""
    for p in ([1, 1, 40, 0, 0, 4, 0, 0], [1, 7, 16, 0, 99, 0, 1, 0], [1, 1, 1, 0, 0, 0, 0, 0]):
        gm, l1 = memory = random_memory([6])
        _, got, reports = run(sim, "nd2nz", 2, p, memory)
        assert reports == []
        nd2nz(gm, l1, 2, p)
        np.testing.assert_array_equal(got, l1)


def test_nd2nz_keeps_unwritten(sim: ModuleType) -> None:
    """Unwritten GM bytes stay unwritten in L1; storing them is what is reported."""
    gm, _ = random_memory([7])
    before, after = np.zeros(AREA, np.uint8), np.zeros(AREA, np.uint8)
    arguments = np.array([4, 2, 64, 0, 1, 4, 20, 0, 30, 4, 1, 0, 0, 0, 1], np.int64)
    reports = sim.run("move_cube", 1, [arguments, gm, before, after], [1, 3]).reports
    assert len(reports) == 1
    assert "stores byte 64 of L1, which nothing has written" in reports[0]


@pytest.mark.parametrize("width", [2, 4])
def test_fill(sim: ModuleType, width: int) -> None:
    value = 0x1234
    _, l1 = memory = random_memory([8])
    _, got, reports = run(sim, "fill_l1", width, [5, 3, 5], memory, 64, 0, value)
    assert reports == []
    for n in range(5):
        l1[64 + n * 256 :][:96] = np.full(96 // width, value, f"<u{width}").view(np.uint8)
    np.testing.assert_array_equal(got, l1)

    _, got, reports = run(sim, "fill_l0", width, [5, 2, 3, 0, 0, 0, 0, 512], memory, 0, 0, value)
    assert reports == []
    want = np.full(1024 // width, value, f"<u{width}").view(np.uint8)
    for n in range(5):
        np.testing.assert_array_equal(got[512 + n * 2560 :][:1024], want)
        assert (got[512 + n * 2560 + 1024 :][:1536] == got[0]).all()  # as before


def test_tables(sim: ModuleType) -> None:
    _, l1 = memory = random_memory([9])
    _, got, reports = run(sim, "to_bt", 4, [3, 2, 1, 1, 0, 0, 0, 64], memory, 96)
    assert reports == []
    for n in range(3):
        np.testing.assert_array_equal(got[64 + n * 192 :][:128], l1[96 + n * 160 :][:128])

    _, got, reports = run(sim, "to_bt_count", 4, [0, 50], memory, 96)
    assert reports == []
    np.testing.assert_array_equal(got[:192], l1[96:][:192])
    assert (got[192:256] != l1[96 + 192 :][:64]).any()

    _, got, reports = run(sim, "to_fb", 4, [2, 1, 5, 3, 0, 0, 0, 128], memory, 32)
    assert reports == []
    for n in range(2):  # strides from start to start: 32 and 128 bytes
        np.testing.assert_array_equal(got[128 + n * 384 :][:128], l1[32 + n * 160 :][:128])

    halves = np.random.default_rng(10).standard_normal(64).astype(np.float16)
    l1[:128] = halves.view(np.uint8)
    _, got, reports = run(sim, "half_to_bt", 2, [1, 2, 0, 0], memory)
    assert reports == []
    np.testing.assert_array_equal(got[:256].view(np.float32), halves.astype(np.float32))


REPORTED = [
    ("narrowing", "nValue 65536", "nd2nz", 2, [1, 65536, 16, 0, 16, 1, 1, 0]),
    ("parameter", "nValue 16385", "nd2nz", 2, [1, 16385, 16, 0, 16, 1, 1, 0]),
    ("narrowing", "srcDValue 65536", "nd2nz", 2, [1, 2, 16, 0, 65536, 1, 1, 0]),
    ("parameter", "srcDValue 0", "nd2nz", 2, [1, 2, 16, 0, 0, 1, 1, 0]),
    ("parameter", "dstNzNStride 0", "nd2nz", 2, [1, 2, 16, 0, 16, 1, 0, 0]),
    ("parameter", "dstNzC0Stride 16385", "nd2nz", 2, [1, 2, 32, 0, 16, 16385, 1, 0]),
    ("parameter", "ndNum 4096", "nd2nz", 2, [4096, 1, 16, 16, 16, 1, 1, 0]),
    ("parameter", "dstNzMatrixStride 16400", "nd2nz", 2, [2, 1, 16, 16, 16, 1, 1, 16400]),
    ("alignment", "dstNzMatrixStride 24", "nd2nz", 2, [2, 1, 16, 16, 16, 1, 1, 24]),
    ("parameter", "overwrite each other", "nd2nz", 2, [1, 8, 32, 0, 32, 7, 1, 0]),
    ("parameter", "overwrite each other", "nd2nz", 2, [2, 8, 16, 0, 32, 8, 1, 64]),
    ("parameter", "ND2NZ moves elements of", "nd2nz", 8, [1, 2, 4, 0, 4, 2, 1, 0]),
    ("gm bounds", "argument 1", "nd2nz", 2, [1, 9, 16, 0, 65535, 9, 1, 0]),
    ("capacity", "L1", "nd2nz", 2, [1, 2, 32, 0, 32, 16384, 1, 0]),
    ("parameter", "repeatTimes 32768", "fill_l1", 2, [32768, 1, 0]),
    ("narrowing", "dstGap 65536", "fill_l1", 2, [2, 1, 65536]),
    ("parameter", "Fill takes elements", "fill_l1", 1, [2, 1, 0]),
    ("alignment", "multiple of 512", "fill_l0", 2, [1, 1, 0, 0, 0, 0, 0, 32]),
    ("alignment", "multiple of 64", "to_bt", 4, [1, 1, 0, 0, 0, 0, 0, 32]),
    ("alignment", "multiple of 128", "to_fb", 4, [1, 1, 0, 0, 0, 0, 0, 64]),
    ("capacity", "BT", "to_bt", 4, [1, 17, 0, 0]),
    ("parameter", "BT takes", "to_bt", 2, [1, 1, 0, 0]),
    ("narrowing", "blockLen 65536", "in", 2, [1, 65536, 0, 0]),
]


@pytest.mark.parametrize(("check", "text", "operation", "width", "p"), REPORTED)
def test_reports(
    sim: ModuleType, check: str, text: str, operation: str, width: int, p: list[int]
) -> None:
    memory = random_memory([11])
    _, got, reports = run(sim, operation, width, p, memory)
    assert len(reports) == 1, reports
    assert reports[0].startswith(check + " in move_cube"), reports
    assert text in reports[0]
    if operation in ("nd2nz", "in", "fill_l1"):
        np.testing.assert_array_equal(got, memory[1])


def test_misaligned_l1(sim: ModuleType) -> None:
    _, _, reports = run(sim, "nd2nz", 2, [1, 2, 16, 0, 16, 2, 1, 0], random_memory([12]), 16)
    assert len(reports) == 1
    assert "dst: L1 address 16 is not a multiple of 32" in reports[0]
