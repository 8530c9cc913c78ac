"""What moves tell the hazard check (bytes touched) and the timing model (pieces in GM)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import pytest

from . import test_move_cube as cube
from . import test_move_vector as vector

MEMORIES = ("GM", "UB", "L1", "L0A", "L0B", "L0C", "BT", "FB")
PATHS = ("gm_to_l1", "gm_to_ub", "gm_to_l0", "ub_to_gm", "l1_to_gm", "fill_l1")


@dataclass
class Record:
    path: str
    nd2nz: bool
    atomic: bool
    cached: bool
    runs: int
    run_bytes: int
    run_stride: int
    gm: int
    reads: list[set[tuple[str, int]]] = field(default_factory=list)
    writes: list[set[tuple[str, int]]] = field(default_factory=list)


def record_of(after: np.ndarray) -> Record:
    numbers = after.view(np.int64)
    path, nd2nz, atomic, cached, runs, run_bytes, stride, gm, reads, writes = numbers[:10].tolist()
    name = PATHS[path] if path >= 0 else ""
    record = Record(name, nd2nz == 1, atomic == 1, cached == 1, runs, run_bytes, stride, gm)
    for n in range(reads + writes):
        memory, base, length, c0, s0, c1, s1 = numbers[10 + 7 * n : 17 + 7 * n].tolist()
        touched = {
            (MEMORIES[memory], base + i * s0 + j * s1 + k)
            for i in range(c0)
            for j in range(c1)
            for k in range(length)
        }
        (record.reads if n < reads else record.writes).append(touched)
    return record


def all_of(sets: list[set[tuple[str, int]]]) -> set[tuple[str, int]]:
    return set().union(*sets)


def of_slices(memory: str, slices: list[slice]) -> set[tuple[str, int]]:
    return {(memory, k) for s in slices for k in range(s.start, s.stop)}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("operation", ["in", "out", "pad_in", "pad_out", "local"])
def test_vector(sim: ModuleType, operation: str, seed: int) -> None:
    rng = np.random.default_rng([seed, len(operation)])
    m = vector.Move(operation, 4, record=1, ub2=32768)
    pad = operation.startswith("pad")
    m.count, m.length = int(rng.integers(1, 9)), int(rng.integers(1, 9)) * (4 if pad else 1)
    m.src, m.dst = int(rng.integers(0, 4)), int(rng.integers(0, 4))
    m.ub, m.gm, m.cached = 32 * int(rng.integers(0, 9)), 4 * int(rng.integers(0, 9)), seed % 2
    m.left, m.right, m.pad = (1, 2, 1) if operation == "pad_in" else (0, 0, 0)
    m.atomic = int(operation in ("out", "pad_out") and seed % 3 == 0)
    got = record_of(vector.run(sim, m, *vector.random_memory(rng)).ub)
    assert len(got.reads) == len(got.writes) == 1
    length = m.length if pad else 32 * m.length
    unit = 1 if pad else 32
    ub_length = vector.round32(length + 4 * (m.left + m.right))
    inward = operation in ("in", "pad_in")
    gm_gap, ub_gap = (m.src, m.dst) if inward else (m.dst, m.src)
    gm = of_slices("GM", vector.blocks(m.gm, m.count, length, unit * gm_gap))
    ub = vector.blocks(m.ub, m.count, ub_length, 32 * ub_gap)
    if not inward:  # the tail of the last 32 bytes is not stored
        ub = [slice(s.start, s.start + length) for s in ub]
    if operation == "local":
        ub2 = vector.blocks(m.ub2, m.count, length, 32 * m.dst)
        assert all_of(got.reads) == of_slices("UB", ub)
        assert all_of(got.writes) == of_slices("UB", ub2)
        return
    source, target = (got.reads, got.writes) if inward else (got.writes, got.reads)
    assert all_of(source) == gm
    assert all_of(target) == of_slices("UB", ub)
    assert got.path == ("gm_to_ub" if inward else "ub_to_gm")
    assert (got.atomic, got.cached, got.nd2nz) == (m.atomic == 1, m.cached == 1, False)
    assert got.gm == m.gm
    if gm_gap == 0 or m.count == 1:
        assert (got.runs, got.run_bytes) == (1, m.count * length)
    else:
        assert (got.runs, got.run_bytes) == (m.count, length)
        assert got.run_stride == length + unit * gm_gap


@pytest.mark.parametrize("seed", range(20))
def test_nd2nz(sim: ModuleType, seed: int) -> None:
    rng = np.random.default_rng([seed, 20])
    width = int(rng.choice([1, 2, 4]))
    c0 = 32 // width
    rows, columns, matrices = (int(rng.integers(1, n)) for n in (12, 70, 4))
    blocks = -(-columns // c0)
    p = [matrices, rows, columns, 300, 80, rows + 1, 1, blocks * (rows + 1) * c0]
    at, l1 = int(rng.integers(0, 50)), 32 * int(rng.integers(0, 9))
    memory = cube.random_memory([seed])
    _, after, reports = cube.run(sim, "nd2nz", width, p, memory, l1, at, 0, 1, seed % 2)
    assert reports == []
    got = record_of(after)
    reads, writes = set(), set()
    for m in range(matrices):
        for n in range(rows):
            start = at + (m * 300 + n * 80) * width
            reads |= {("GM", start + k) for k in range(columns * width)}
            for c in range(blocks):
                start = l1 + m * p[7] * width + c * p[5] * 32 + n * 32
                writes |= {("L1", start + k) for k in range(32)}
    assert all_of(got.reads) == reads
    assert all_of(got.writes) == writes
    assert len(got.reads) == 1
    assert len(got.writes) == matrices
    assert (got.path, got.nd2nz, got.cached) == ("gm_to_l1", True, seed % 2 == 1)
    assert (got.runs, got.run_bytes) == (matrices * rows, columns * width)
    assert got.run_stride == (80 if rows > 1 else 300) * width
    assert got.gm == at


def test_fill(sim: ModuleType) -> None:
    memory = cube.random_memory([21])
    _, after, _ = cube.run(sim, "fill_l1", 2, [5, 3, 2], memory, 64, record=1)
    got = record_of(after)
    assert all_of(got.writes) == of_slices("L1", vector.blocks(64, 5, 96, 64))
    assert (got.path, got.runs, got.run_bytes, got.run_stride) == ("fill_l1", 5, 96, 160)
