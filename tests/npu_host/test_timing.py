"""FLASH_ATTN_NPU_SIM_TIMING: a line per launch with what the simulator predicts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fa_testing.backends import Wheel
from npu_host.lines import halves_on_a_line
from npu_host.machine import Machine


def attend(wheel: Wheel, tokens: int) -> torch.Tensor:
    torch.manual_seed(0)
    q, k, v = (halves_on_a_line(1, tokens, 2, 64) for _ in range(3))
    out: torch.Tensor = wheel.module.flash_attn_func(q, k, v)
    return out


def test_a_line_per_launch(
    wheel: Wheel, machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.use(cores=2)
    expected = attend(wheel, 300)
    file = tmp_path / "timing"
    monkeypatch.setenv("FLASH_ATTN_NPU_SIM_TIMING", str(file))
    assert torch.equal(attend(wheel, 300), expected)
    for tokens in (900, 300):
        attend(wheel, tokens)
    monkeypatch.delenv("FLASH_ATTN_NPU_SIM_TIMING")
    attend(wheel, 300)
    lines = [line.split() for line in file.read_text().splitlines()]
    assert [line[:2] for line in lines] == [["fa_forward_fp16_d64", "2"]] * 3
    cycles, microseconds = ([float(line[i]) for line in lines] for i in (2, 3))
    # Not equal: where torch puts the output decides how its rows lie in lines of L2.
    assert cycles[2] == pytest.approx(cycles[0], rel=0.1)
    assert cycles[0] > 1000
    assert cycles[1] > 2 * cycles[0]
    for count, time in zip(cycles, microseconds, strict=True):
        assert count / 2000 < time < 100  # below 2 GHz, and the time of a launch


def test_a_file_that_cannot_be_written(
    wheel: Wheel, machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.use(cores=2)
    monkeypatch.setenv("FLASH_ATTN_NPU_SIM_TIMING", str(tmp_path / "none" / "timing"))
    with pytest.raises(wheel.module.InvalidArgument, match="FLASH_ATTN_NPU_SIM_TIMING: got"):
        attend(wheel, 4)
