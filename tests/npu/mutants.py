"""Forward kernels with one deliberate defect at a time, see docs/simulator/mutations.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from simulator.mutants import Score, options_of

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


def _results(sim: ModuleType, case: Case, options: Any) -> tuple[Any, list[Any]]:
    problem = build(case)
    return run(sim, problem, options), [a.copy() for a in problem.outputs]


def _verdict(sim: ModuleType, case: Case, mutation: Any, expected: list[Any]) -> str:
    try:
        spoiled, outputs = _results(sim, case, options_of(sim, mutation=mutation))
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
    clean = [_results(sim, case, options_of(sim, mutation_points=True)) for case in cases]
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
