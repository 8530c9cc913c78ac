"""Published measurements that the timing model is held against.

Sources: "examples" are the 05_best_practices of asc-devkit with measurements on a 910B1;
"UnitFlag page" is a page of the same documentation; "PTO" are the tables of pto-isa's attention
kernels (910B2) and its DSL twin (one die of an A3).

Run as a program, it writes simulator/CALIBRATION.md:

    python -m tests.simulator.calibration <build folder> > simulator/CALIBRATION.md
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .timing_runs import predict

B1 = "default@910B1"
UB, L1 = "timing_copy", "timing_copy_l1"


@dataclass(frozen=True)
class Case:
    """A run and what was published for it; `target` is the error allowed, None: shown only."""

    group: str
    name: str
    kernel: str
    blocks: int
    arguments: tuple[int, ...]
    published: tuple[float, ...]
    unit: str
    target: float | None
    profile: str = B1
    value: Callable[[Any], float] = lambda timing: timing.cycles
    slow: bool = False

    def predict(self, sim: ModuleType) -> float:
        return self.value(
            predict(sim, self.kernel, self.blocks, list(self.arguments), self.profile)
        )

    def errors(self, predicted: float) -> list[float]:
        return [predicted / p - 1 for p in self.published]


def ticks(timing: Any) -> float:
    """Of 20 ns, at the 1850 MHz of a 910B1."""
    return float(timing.cycles / 1850 / 0.02)


def core_us(timing: Any) -> float:
    """Without the launch, as the published times of a pipe are."""
    return float(timing.microseconds - timing.launch_microseconds)


def pipe_us(pipe: str) -> Callable[[Any], float]:
    def value(timing: Any) -> float:
        return float(next(p.busy_cycles for p in timing.pipes if p.pipe == pipe) / 1850)

    return value


def bank_cases() -> list[Case]:
    table = [
        ("no conflict", (0, 0x10100, 0x20000, 1, 8), 2390),
        ("both sources in one bank", (0, 0x4000, 0x10000, 1, 8), 4167),
        ("both sources in one bank group", (0, 0x10000, 0x14100, 1, 8), 4167),
        ("result begins in a source's bank", (0, 0x10100, 0x4000, 1, 8), 2389),
        ("result overlaps a source's banks", (0, 0x10100, 0x4020, 1, 8), 3751),
        ("in place", (0, 0x10100, 0x10100, 1, 8), 2390),
        ("a block repeated, step 1", (0, 0x10100, 0x10100, 0, 1), 3584),
        ("a block repeated, step 8", (0, 0x10100, 0x10100, 0, 8), 2389),
    ]
    return [
        Case(
            "UB banks: 1000 times Add of 4096 floats (examples, bank_conflict_ub)",
            name,
            "timing_add",
            1,
            (*arguments, 1000),
            (published,),
            "ticks",
            0.05,
            value=ticks,
        )
        for name, arguments, published in table
    ]


def mmad_cases() -> list[Case]:
    group = "Cube: 8 K steps of 64 (UnitFlag page; with and without unit flag)"
    return [
        Case(group, "128 x 256", "timing_mmad", 1, (128, 256, 64, 8), (4209, 4225), "cycles", 0.02),
        Case(group, "128 x 128", "timing_mmad", 1, (128, 128, 64, 8), (2172,), "cycles", 0.02),
    ]


def copy_case(
    name: str, kernel: str, arguments: tuple[int, ...], published: float, **more: Any
) -> Case:
    group = more.pop("group")
    target = more.pop("target", 0.15)
    if kernel == UB:
        arguments = (0, *arguments)
    return Case(
        group,
        name,
        kernel,
        48 if kernel == UB else 24,
        arguments,
        (published,),
        "us",
        target,
        value=core_us,
    )


def copy_cases() -> list[Case]:
    sweep = "MTE2 tile sweep: 302 MB of halves, once (examples, data_copy)"
    other = "Further moves of the same example: no target"
    row, odd = 24576, 24574
    cases = [
        ("UB, tile 1 x 64", UB, (12288, row, 1, 128, 1, 1), 548.16),
        ("UB, tile 64 x 64", UB, (12288, row, 64, 128, 1, 1), 220.77),
        ("UB, tile 64 x 1024", UB, (12288, row, 64, 2048, 1, 1), 202.66),
        ("L1 ND2NZ, tile 64 x 64", L1, (12288, row, 64, 128, 1, 1), 283.51),
        ("L1 ND2NZ, tile 64 x 256", L1, (12288, row, 64, 512, 1, 1), 214.52),
    ]
    rest = [
        ("UB, rows of 12287", UB, (12288, odd, 64, 2048, 1, 1), 259.05),
        ("L1, rows of 12287", L1, (12288, odd, 64, 512, 1, 1), 422.52),
        ("UB, four times the whole matrix", UB, (12288, row, 64, 2048, 1, 4), 816.05),
        ("L1, four times the whole matrix", L1, (12288, row, 64, 2048, 1, 4), 872.19),
        ("UB, four times each quarter", UB, (12288, row, 64, 2048, 4, 4), 354.56),
        ("L1, four times each quarter", L1, (12288, row, 64, 2048, 4, 4), 397.8),
    ]
    return [copy_case(*c, group=sweep) for c in cases] + [
        copy_case(*c, group=other, target=None) for c in rest
    ]


def matmul_cases() -> list[Case]:
    group = "Matmul 8192 x 8192 x 8192 of halves on 24 AICs (examples, matmul_high_performance)"
    common = ("timing_matmul", 24, (8192, 8192, 8192, 1))
    return [
        Case(group, "total", *common, (4081, 4121), "us", 0.15, value=lambda t: t.microseconds),
        Case(group, "M busy", *common, (3076, 3082), "us", None, value=pipe_us("M")),
        Case(group, "MTE1 busy", *common, (2553,), "us", None, value=pipe_us("MTE1")),
        Case(group, "MTE2 busy", *common, (3487, 3552), "us", None, value=pipe_us("MTE2")),
    ]


def attention_cases() -> list[Case]:
    group = "Attention, one head, D = 128, not causal, as a synthetic pipeline (PTO and others)"
    table = [
        (4096, 256, (88.9, 105), None),
        (8192, 256, (292.6, 239), None),
        (16384, 256, (909, 1001), 0.1),
        (32768, 256, (3263,), 0.1),
        (32768, 512, (3185,), 0.1),
        (65536, 512, (12106, 12158), 0.1),
        (131072, 512, (48062, 48135), 0.1),
    ]
    return [
        Case(
            group,
            f"{length} queries and keys, tiles of {stack} keys",
            "timing_attention",
            24,
            (length, length, stack),
            published,
            "us",
            target,
            profile="default",
            value=lambda t: t.microseconds,
            slow=length > 32768,
        )
        for length, stack, published, target in table
    ]


CASES = bank_cases() + mmad_cases() + copy_cases() + matmul_cases() + attention_cases()

INTRODUCTION = """# Calibration of the timing model

Generated by `python -m tests.simulator.calibration`; `tests/simulator/test_timing_calibration.py`
fails when it is not current. Every predicted figure comes from the model, none was measured by
this project; published figures are those of the sources named.

The kernels are in `tests/simulator/kernels/timing_*.cpp`. They consist of instructions that have
a price and do nothing, in the order and with the flags of the published kernels as far as these
are described. Moves and pipes are compared without the launch, totals with the profile's 10 us.
"""

REASONS = """## Where the model is off, and why

* L1, rows of 12287: the model asks for each 512-byte line that a row touches, twice the bytes.
  The published time is higher still. ND2NZ of odd rows seems to cost time per row beyond that;
  with one measurement there is nothing to derive a rule from.
* L1, four times each quarter: the second to fourth passes hit L2, and 24 AICs then read 78
  B/cycle each in the model (PTO). This example implies 109 B/cycle, near the 110 of the
  platform's ini. The matmul of the same authors implies 77. The constant stays at what two of the
  three sources say.
* MTE1 busy in the matmul: the model has the data time of L1 to L0A and L0B. The published kernel
  moves smaller pieces, whose number is not published.
* Same address: 48 AIVs (24 AICs) that read the same rows in the same order took 1.54 (1.14) times
  as long as with staggered order. The model has no such term: cores that share the keys of an
  attention head read the same lines too, and the published attention times leave no room for it.
  Reads of 128 bytes that hit L2 are therefore predicted too fast.
* Attention below 16k: the published kernels differ from each other by up to 20 %, and the launch
  is a large part.
* Attention at 64k and more: the published kernels come closer to the rate of L2 than the
  synthetic pipeline, whose order of loads and stores is our guess.

## What each constant rests on

Least time of a contiguous piece and of a move rest on the tile sweep itself (marked M), so that
the 128-byte cases of the sweep test the arithmetic, not the constants. The delay between read and
write of the bank model is the smallest odd number that meets all eight bank cases within 5 %. The
latency between cores is a guess (marked I): measure it first on a device.

The timing-only replay takes about 0.2 us of one host core per instruction, flags included.
"""


def constants_table(sim: ModuleType) -> list[str]:
    lines = ["## Constants", "", "D: documented. M: a published measurement. I: inferred.", ""]
    names = sim.profiles()
    lines += [
        f"| constant | {' | '.join(names)} | unit | mark | source |",
        "|---" * (len(names) + 4) + "|",
    ]
    for field, values, unit, mark, source in sim.timing_constants():
        numbers = " | ".join(f"{v:g}" for v in values)
        lines.append(f"| {field} | {numbers} | {unit} | {mark} | {source} |")
    return lines


def document(sim: ModuleType, predictions: dict[str, float]) -> str:
    """The page; cases without a prediction are run."""
    lines = [INTRODUCTION]
    group = ""
    for case in CASES:
        if case.group != group:
            group = case.group
            lines += [
                f"## {group}",
                "",
                "| case | published | predicted | error | target |",
                "|---|---|---|---|---|",
            ]
        predicted = predictions.get(case.group + case.name)
        if predicted is None:
            predicted = case.predict(sim)
        published = ", ".join(f"{p:g}" for p in case.published)
        errors = ", ".join(f"{100 * e:+.1f} %" for e in case.errors(predicted))
        target = "-" if case.target is None else f"{100 * case.target:g} %"
        lines.append(
            f"| {case.name} | {published} {case.unit} | {predicted:.1f} | {errors} | {target} |"
        )
        if case is CASES[-1] or CASES[CASES.index(case) + 1].group != group:
            lines.append("")
    lines += [REASONS, *constants_table(sim)]
    return "\n".join(lines) + "\n"


def main() -> None:
    build = Path(sys.argv[1])
    sys.path.insert(0, str(build))
    sim = importlib.import_module("_ascsim")
    for library in sorted(build.rglob("libtiming_*_ai[cv].so")):
        sim.load(str(library))
    sys.stdout.write(document(sim, {}))


if __name__ == "__main__":
    main()
