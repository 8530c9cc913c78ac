"""Forward kernels with one deliberate defect at a time, see docs/simulator/mutations.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from npu.forward_case import Case, build, run

KERNELS = Path(__file__).resolve().parents[2] / "core_kernels/src/npu/kernels"
_PLACE = re.compile(r"([\w.]+):(\d+)")


@cache
def _lines(file: str) -> list[str]:
    (path,) = KERNELS.rglob(file)
    return [line.strip() for line in path.read_text().splitlines()]


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


@dataclass
class Score:
    """What became of the defects of a kernel. `idle` order nothing in any of the cases."""

    kernel: str
    reported: int = 0
    wrong: int = 0
    idle: int = 0
    survivors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = self.reported + self.wrong + self.idle + len(self.survivors)
        return (
            f"{self.kernel}: {total} defects, {self.reported} reported, {self.wrong} only by their "
            f"result, {self.idle} order nothing, {len(self.survivors)} unnoticed"
        )


def _options(sim: ModuleType, **settings: Any) -> Any:
    options = sim.Options()
    for name, value in settings.items():
        setattr(options, name, value)
    return options


def _results(sim: ModuleType, case: Case, options: Any) -> tuple[Any, list[Any]]:
    problem = build(case)
    return run(sim, problem, options), [a.copy() for a in problem.outputs]


def _verdict(sim: ModuleType, case: Case, mutation: Any, expected: list[Any]) -> str:
    try:
        spoiled, outputs = _results(sim, case, _options(sim, mutation=mutation))
    except sim.LaunchError:  # a deadlock, or an assertion of the kernel
        return "reported"
    if spoiled.reports:
        return "reported"
    same = all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(outputs, expected, strict=True)
    )
    return "" if same else "wrong"


def score(sim: ModuleType, kernel: str, cases: Sequence[Case]) -> Score:
    """Runs every defect that one of the cases could have, in each case until one notices it."""
    result = Score(kernel)
    clean = [_results(sim, case, _options(sim, mutation_points=True)) for case in cases]
    defects: dict[str, list[Any]] = {}  # by their text: the defect, whether it orders something
    for run_of, _ in clean:
        assert run_of.reports == [], "\n".join(run_of.reports)
        for mutation, orders in run_of.mutation_points:
            entry = defects.setdefault(str(mutation), [mutation, False])
            entry[1] = entry[1] or orders
    verdicts: Counter[str] = Counter()
    for mutation, orders in defects.values():
        verdict = ""
        for case, (_, expected) in zip(cases, clean, strict=True):
            verdict = _verdict(sim, case, mutation, expected)
            if verdict:
                break
        if verdict:
            verdicts[verdict] += 1
        elif orders:
            result.survivors.append(name_of(mutation))
        else:
            result.idle += 1
    result.reported, result.wrong = verdicts["reported"], verdicts["wrong"]
    return result
