"""The cut into tasks that keeps all cores busy, by trying every one; the host's has to match it."""

from __future__ import annotations

from dataclasses import dataclass

from npu.kernel_args import TaskCut

ROW_UNIT = 16
FEWEST_ROWS = 64


@dataclass(frozen=True)
class CutWork:
    """As in core_kernels/src/npu/task_cut.h."""

    queries: int
    sequences: int
    heads: int
    cores: int
    most_rows: int
    dim_columns: int
    diagonal: bool = False


def busiest(work: CutWork, rows: int, blocks: int, rest_rows: int) -> int:
    """Rows that the core with most of them works on, tasks dealt out in turn, and what moving keys
    and values for a task costs in rows."""
    size, rest_size = rows // work.heads, rest_rows // work.heads
    rest = max(0, work.queries - blocks * size)
    tasks = [rows] * (blocks * work.sequences)
    tasks += [rest_rows] * (-(-rest // rest_size) * work.sequences)
    loads = [0] * work.cores
    for number, task in enumerate(tasks):
        loads[number % work.cores] += task + work.dim_columns // 2
    return max(loads)


def best_cut(work: CutWork) -> tuple[TaskCut, int]:
    """The best cut, of equal ones that with the largest tasks, and its busiest core's rows; at a
    diagonal the host's rule."""
    if work.diagonal:
        tasks = work.sequences * -(-work.queries // (work.most_rows // work.heads))
        few = tasks < (4 if work.most_rows % 128 == 0 else 12) * work.cores
        rows = min(128, work.most_rows) if few else work.most_rows
        return TaskCut(rows, 0, rows), 0
    sizes = range(FEWEST_ROWS, work.most_rows + 1, ROW_UNIT)
    most = -(-work.queries // (work.most_rows // work.heads))
    found = min(
        (busiest(work, work.most_rows, blocks, rest), -rest, -blocks)
        for rest in sizes
        if rest >= work.heads
        for blocks in range(most)
    )
    load, rest, blocks = found[0], -found[1], -found[2]
    return TaskCut(work.most_rows if blocks else rest, blocks, rest), load
