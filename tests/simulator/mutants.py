"""Kernels with deliberate defects: every one must be reported or give a wrong result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np


@dataclass
class Kernel:
    """A kernel to be spoiled: `inputs` makes its arguments, `outputs` are compared bit by bit."""

    name: str
    blocks: int
    inputs: Callable[[], list[Any]]
    outputs: list[int]
    workspaces: list[int] = field(default_factory=list)  # written, not compared

    def run(self, sim: ModuleType, options: Any) -> tuple[Any, list[Any]]:
        arguments = self.inputs()
        written = [*self.outputs, *self.workspaces]
        result = sim.run(self.name, self.blocks, arguments, written, options)
        return result, [arguments[i] for i in self.outputs]


@dataclass
class Score:
    """What became of the mutants of one kernel.

    `idle` order nothing in any run, as the first and last flags of a loop: nothing runs before the
    one, nothing waits behind the other, so that their removal cannot change anything.
    """

    kernel: str
    reported: int = 0
    wrong: int = 0
    idle: int = 0
    survivors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = self.reported + self.wrong + self.idle + len(self.survivors)
        return (
            f"{self.kernel}: {total} mutants, {self.reported} reported, {self.wrong} only by their "
            f"result, {self.idle} order nothing, {len(self.survivors)} unnoticed"
        )


def options_of(sim: ModuleType, **settings: Any) -> Any:
    options = sim.Options()
    for name, value in settings.items():
        setattr(options, name, value)
    return options


def score(sim: ModuleType, kernel: Kernel) -> Score:
    """Runs the kernel once as it is, then once with each defect that it could have."""
    clean, expected = kernel.run(sim, options_of(sim, mutation_points=True))
    assert clean.reports == [], "\n".join(clean.reports)
    result = Score(kernel.name)
    for mutation, orders in clean.mutation_points:
        try:
            spoiled, outputs = kernel.run(sim, options_of(sim, mutation=mutation))
        except sim.LaunchError:  # an assertion of the kernel
            result.reported += 1
            continue
        same = all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(outputs, expected, strict=True)
        )
        if spoiled.reports:
            result.reported += 1
        elif not same:
            result.wrong += 1
        elif not orders:
            result.idle += 1
        else:
            result.survivors.append(str(mutation))
    return result
