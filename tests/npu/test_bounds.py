"""Every bound that is off by one is noticed, but for those that change no result.

Each is a kernel to compile, so one is tried, all of them with --all-mutants.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from npu.bounds import BOUNDS, Bound, noticed, spoil
from npu.mutants import KERNELS
from npu.trials import TRIALS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bound" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--all-mutants")
        metafunc.parametrize("bound", BOUNDS if whole else BOUNDS[:1], ids=str)


def test_every_bound_is_there_once() -> None:
    wrong = [str(b) for b in BOUNDS if (KERNELS / b.file).read_text().count(b.good) != 1]
    assert wrong == []


def test_bounds(sim: ModuleType, bound: Bound, tmp_path: Path) -> None:
    spoiled = spoil(sim, bound, tmp_path)
    assert bool(noticed(sim, spoiled, TRIALS[bound.kernel])) == (bound.equivalent == "")
