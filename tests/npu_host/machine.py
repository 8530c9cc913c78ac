"""The simulated machine that a call runs on."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest

from fa_testing.backends import Wheel


@dataclass
class Machine:
    """Sets what the kernel object reads from the environment at each launch."""

    monkeypatch: pytest.MonkeyPatch

    def use(self, cores: int, barriers: str = "explicit", hazards: bool = True) -> None:
        for name, value in (
            ("FLASH_ATTN_NPU_CORES", str(cores)),
            ("FLASH_ATTN_NPU_SIM_BARRIERS", barriers),
            ("FLASH_ATTN_NPU_SIM_HAZARDS", "1" if hazards else "0"),
        ):
            self.monkeypatch.setenv(name, value)


@functools.cache
def wheels(api: int) -> Wheel:
    """A wheel that has simulated kernels; anything else is an error, not a reason to skip."""
    wheel = Wheel.load(api)
    state = dict(wheel.native.backends())["npu"]
    assert not state, f"the v{api} wheel has no NPU back end: {state}"
    return wheel
