"""Runs cases against a wheel and reports what is wrong.

python -m fa_testing.run "fwd v3.kvcache b=2 sq=1 ..."     (from the folder tests/)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from fa_testing.backends import Outcome, Wheel, call
from fa_testing.case import Case, parse_case
from fa_testing.compare import compare, ratios
from fa_testing.error_model import Precision
from fa_testing.expected import Expected, cpu_precision, expect, out_dtype
from fa_testing.extra_results import check_partials, check_probs
from fa_testing.fill import DTYPES
from fa_testing.guard import Guard
from fa_testing.inputs import Inputs, build_inputs
from fa_testing.same_dtype import compare_with_plain, has_attention, plain_results


@dataclass
class Report:
    """Everything found in one case.

    `ratio` is the worst error / bound by result. `weighted` counts the elements of out whose row
    gives weight to a key (dropout and sinks may take all of it), `nonzero` those among them that
    the oracle finds not to be zero.
    """

    case: Case
    problems: list[str] = field(default_factory=list)
    ratio: dict[str, float] = field(default_factory=dict)
    weighted: int = 0
    nonzero: int = 0

    def __str__(self) -> str:
        lines = [str(self.case), *(f"  {p}" for p in self.problems)]
        return "\n".join([*lines, f"  again: {rerun_command(self.case)}"])


def rerun_command(case: Case) -> str:
    entry = {2: "tests/test_flash_attn_npu.py", 3: "tests/test_flash_attn_npu_v3.py"}[case.api]
    return f"pytest -q -s {entry} -k repro --repro '{case}'"


def check_results(report: Report, outcome: Outcome, expected: Expected) -> None:
    case = report.case
    for name, target in expected.targets.items():
        if name == "lse" and not case.lse:
            continue
        if name not in outcome.results:
            report.problems.append(f"{name}: not returned")
            continue
        actual = outcome.results[name]
        mismatch = compare(name, actual, target)
        if mismatch is not None:
            report.problems.append(str(mismatch))
        elif actual.numel():
            report.ratio[name] = float(ratios(actual.detach().double(), target).max())
    for a in expected.attentions:
        out = a.out[(a.kept > 0).any(2)]
        report.weighted += out.numel()
        report.nonzero += int((out != 0).sum())


def check_types(report: Report, outcome: Outcome, x: Inputs) -> None:
    case = report.case
    wanted = {"out": out_dtype(case), "lse": torch.float32, "dq": x.q.dtype, "dk": x.k.dtype}
    wanted |= {"dv": x.v.dtype, "dqv": x.q.dtype}
    if x.sink is not None:
        wanted["dsink"] = x.sink.dtype
    for name, dtype in wanted.items():
        if name in outcome.results and outcome.results[name].dtype != dtype:
            got = outcome.results[name].dtype
            report.problems.append(f"{name}: got dtype {got}, expected {dtype}")


def check_plain(
    report: Report, x: Inputs, outcome: Outcome, expected: Expected, precision: Precision
) -> None:
    """The secondary check."""
    exact = expected
    if report.case.dt != "fp32":
        unrounded = replace(precision, out=torch.float64)
        exact = expect(report.case, x, outcome.rng, unrounded)
    for name, plain in plain_results(report.case, x, expected).items():
        target, arithmetic = expected.targets[name], exact.targets[name]
        mismatch = compare_with_plain(name, outcome.results[name], plain, target, arithmetic)
        if mismatch is not None:
            report.problems.append(str(mismatch))


@contextmanager
def wheel_threads(count: int) -> Iterator[None]:
    """torch's thread count, which the wheels follow."""
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def run_case(
    case: Case, wheel: Wheel, plain: bool = True, precision: Precision | None = None
) -> Report:
    """Calls the wheel, then compares every result with the oracle under the error model.

    `precision` is that of the CPU's instruction set in use unless given.
    """
    report = Report(case)
    precision = precision or cpu_precision(case, wheel.native.isa())
    torch.set_num_threads(1)  # the oracle's operators are too small to be shared out
    inputs = build_inputs(case)
    actual, reference = inputs.clone(), inputs.clone()
    with Guard(wheel) as guard, wheel_threads(1 + case.seed % 2):
        try:
            outcome = call(case, actual, wheel)
        except AssertionError as error:
            report.problems.append(str(error))
            return report
        except Exception as error:
            report.problems.append(f"raised {type(error).__name__}: {error}")
            return report
    outcome.rng = guard.rng
    expected = expect(case, reference, outcome.rng, precision)
    check_types(report, outcome, inputs)
    check_results(report, outcome, expected)
    extra = check_probs(case, outcome, expected) + check_partials(case, outcome, expected)
    report.problems += [str(mismatch) for mismatch in extra]
    if plain and has_attention(DTYPES[case.dt]) and not report.problems:
        check_plain(report, reference, outcome, expected, precision)
    return report


def main(lines: list[str]) -> int:
    failed = 0
    for line in lines:
        case = parse_case(line)
        report = run_case(case, Wheel.load(case.api))
        failed += bool(report.problems)
        print(report if report.problems else f"{case}\n  ok {report.ratio}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
