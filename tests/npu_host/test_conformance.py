"""Public functions on simulated kernels against the fp64 oracle, under the error model, with the
simulator's checks and hazard checks on: a report is an exception, so it fails the case.
"""

from __future__ import annotations

from conformance.generated import check_power, summarize
from fa_testing.error_model import Precision
from fa_testing.expected import out_dtype
from fa_testing.run import run_case
from npu_host.generated import Run
from npu_host.machine import Machine, wheels


def test_cases(runs: list[Run], machine: Machine) -> None:
    reports = []
    for case, cores, mode in runs:
        machine.use(cores, mode)
        report = run_case(case, wheels(case.api), precision=Precision.of_npu(out_dtype(case)))
        if report.problems:
            report.problems.append(f"{cores} cores, {mode}")
        reports.append(report)
    assert not any(report.problems for report in reports), summarize(reports)
    check_power(reports)
