"""Kernels with one deliberate defect at a time, see docs/simulator/mutations.md."""

from __future__ import annotations

import random
import re
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from simulator.mutants import Score, options_of

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "core_kernels/src/npu/kernels"
_PLACE = re.compile(r"([\w.]+):(\d+)")

# Runs a kernel with options: its result, and what it has written.
Trial = Callable[[ModuleType, Any], tuple[Any, list[Any]]]


@cache
def path_of(file: str) -> Path:
    """A source of a kernel by its name: ours, or a tile component of CATLASS."""
    found = list(KERNELS.rglob(file))
    if not found:
        include = runpy.run_path(str(ROOT / "third_party/catlass.py"))["existing"]()
        assert include, "run `python third_party/catlass.py` first"
        tiles = include / "catlass/gemm/tile"
        found = [tiles / file] if file == "tile_mmad.hpp" else [tiles / "atlasa2" / file]
    (path,) = found
    return path


@cache
def _lines(file: str) -> list[str]:
    return [line.strip() for line in path_of(file).read_text().splitlines()]


def _source(place: re.Match[str]) -> str:
    """A source line by its text, which survives edits of other lines; `#2`: its second place."""
    file, number = place[1], int(place[2])
    lines = _lines(file)
    text = lines[number - 1]
    before = lines[: number - 1].count(text)
    return f"{file} `{text}`" + (f" #{before + 1}" if before else "")


def name_of(mutation: Any) -> str:
    """A defect in words."""
    return _PLACE.sub(_source, str(mutation))


def verdict(sim: Any, trial: Trial, options: Any, expected: list[Any]) -> str:
    """How a defect is noticed, if it is: `reported`, or by a result that is `wrong`."""
    try:
        spoiled, outputs = trial(sim, options)
    except sim.LaunchError:  # a deadlock, or an assertion of the kernel
        return "reported"
    if spoiled.reports:
        return "reported"
    same = all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(outputs, expected, strict=True)
    )
    return "" if same else "wrong"


@dataclass
class Defect:
    mutation: Any
    orders: bool  # in any of the trials; for what is meant see docs/simulator/mutations.md
    trials: list[int]  # those that could have it


class Suspect:
    """A kernel as it is in several trials, and the defects it could be given in them."""

    def __init__(self, sim: ModuleType, kernel: str, trials: Sequence[Trial]) -> None:
        self.sim, self.kernel, self.trials = sim, kernel, trials
        self.expected: list[list[Any]] = []
        by_text: dict[str, Defect] = {}
        for number, trial in enumerate(trials):
            result, outputs = trial(sim, options_of(sim, mutation_points=True))
            assert result.reports == [], "\n".join(result.reports)
            self.expected.append(outputs)
            for mutation, orders in result.mutation_points:
                defect = by_text.setdefault(str(mutation), Defect(mutation, False, []))
                defect.orders = defect.orders or orders
                defect.trials.append(number)
        self.defects = list(by_text.values())

    @staticmethod
    def names_of(defects: Sequence[Defect]) -> set[str]:
        return {name_of(defect.mutation) for defect in defects}

    def sample(self, count: int, seed: int) -> list[Defect]:
        return random.Random(seed).sample(self.defects, min(count, len(self.defects)))

    def score(self, defects: Sequence[Defect]) -> Score:
        """Gives the kernel each of the defects, in one trial after the other until one notices."""
        result = Score(self.kernel)
        for defect in defects:
            verdicts = (self._verdict(defect, number) for number in defect.trials)
            first = next(filter(None, verdicts), "")
            if first == "reported":
                result.reported += 1
            elif first == "wrong":
                result.wrong += 1
            elif defect.orders:
                result.survivors.append(name_of(defect.mutation))
            else:
                result.idle += 1
        return result

    def _verdict(self, defect: Defect, number: int) -> str:
        options = options_of(self.sim, mutation=defect.mutation)
        return verdict(self.sim, self.trials[number], options, self.expected[number])
