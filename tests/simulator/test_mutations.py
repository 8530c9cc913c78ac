"""Every deliberate defect of five kernels is noticed, but for those listed with a reason.

equivalent_mutants.txt holds the list: defects that change no order and no result in this run.
docs/simulator/mutations.md explains the kinds. A listed defect that is noticed fails as well.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .mutants import Kernel, score
from .test_attention_pipeline import problem
from .test_catlass import matrices

LIST = Path(__file__).with_name("equivalent_mutants.txt")


def double_buffered_add() -> list[Any]:
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal(8 * 2048, dtype=np.float32) for _ in range(2))
    return [x, y, np.zeros_like(x), 8]


def catlass_matmul(layouts: str) -> list[Any]:
    """Three blocks of 64 x 128 for one core, three k tiles each."""
    shape = (64, 384, 384)
    (a, b), _ = matrices(shape, "fp16", layouts, seed=3)
    return [a, b, np.zeros(shape[:2], np.float32), *shape]


def catlass_matmul_add() -> list[Any]:
    shape = (64, 384, 384)
    (a, b), _ = matrices(shape, "fp16", "rr", seed=4)
    x = np.random.default_rng(5).standard_normal(shape[:2]).astype(np.float16)
    return [a, b, x, np.zeros_like(x), np.zeros_like(x), *shape]


KERNELS = [
    Kernel("double_buffered_add", 2, double_buffered_add, [2]),
    Kernel("attention_pipeline", 1, lambda: problem(1, 4), [3], [4]),
    Kernel("catlass_pingpong_fp16_rr", 1, lambda: catlass_matmul("rr"), [2]),
    Kernel("catlass_preload_fp16_rc", 1, lambda: catlass_matmul("rc"), [2]),
    Kernel("catlass_matmul_add_fp16", 1, catlass_matmul_add, [4], [3]),
]


def equivalents(kernel: str) -> set[str]:
    """Lines `kernel: mutation: reason` of the list."""
    found = set()
    for line in LIST.read_text().splitlines():
        if line.startswith(f"{kernel}: "):
            name, reason = line.removeprefix(f"{kernel}: ").rsplit(" # ", 1)
            assert reason
            found.add(name)
    return found


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_mutants(sim: ModuleType, kernel: Kernel) -> None:
    result = score(sim, kernel)
    print(result)
    assert result.reported > 0
    assert set(result.survivors) == equivalents(kernel.name)


def test_the_list_names_known_kernels() -> None:
    lines = [line for line in LIST.read_text().splitlines() if line and line[0] != "#"]
    assert {line.split(": ")[0] for line in lines} <= {kernel.name for kernel in KERNELS}
