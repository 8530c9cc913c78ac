"""The simulated machine that a call runs on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from fa_testing.backends import Wheel


class Mode(NamedTuple):
    """How a call is simulated.

    Attributes:
      barriers: auto | explicit, as bisheng would compile the kernels.
      values: of index tensors: check | leave, as in host or device memory.
      debug: 1 makes kernels report wrong values.
    """

    barriers: str = "explicit"
    values: str = "check"
    debug: str = "0"


@dataclass
class Machine:
    """Sets what the kernel object reads from the environment at each launch."""

    monkeypatch: pytest.MonkeyPatch

    def use(self, cores: int, mode: Mode = Mode()) -> None:  # noqa: B008 (a constant)
        for name, value in (
            ("FLASH_ATTN_NPU_CORES", str(cores)),
            ("FLASH_ATTN_NPU_SIM_BARRIERS", mode.barriers),
            ("FLASH_ATTN_NPU_SIM_HAZARDS", "1"),
            ("FLASH_ATTN_NPU_SIM_VALUES", mode.values),
            ("FLASH_ATTN_NPU_DEBUG", mode.debug),
        ):
            self.monkeypatch.setenv(name, value)


@functools.cache
def wheels(api: int) -> Wheel:
    """A wheel that has simulated kernels; anything else is an error, not a reason to skip."""
    wheel = Wheel.load(api)
    state = dict(wheel.native.backends())["npu"]
    assert not state, f"the v{api} wheel has no NPU back end: {state}"
    return wheel
