"""Public functions on NPU tensors against the fp64 oracle, under the error model."""

from __future__ import annotations

from fa_testing.backends import Wheel
from fa_testing.case import Case
from fa_testing.error_model import Precision
from fa_testing.expected import out_dtype
from fa_testing.run import run_case


def test_case(case: Case) -> None:
    wheel = Wheel.load(case.api, "npu")
    report = run_case(case, wheel, precision=Precision.of_npu(out_dtype(case)))
    assert not report.problems, str(report)
    assert wheel.native.last_plan()["backend"] == "npu"
