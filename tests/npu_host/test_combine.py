"""flash_attn_combine on simulated NPU kernels, within 1e-5 of fp64 before the output rounding."""

from __future__ import annotations

import pytest
import torch

from fa_testing.combining import UNITS, check_combine
from npu_host.machine import Machine, Mode, wheels


@pytest.mark.parametrize("dtype", UNITS, ids=str)
@pytest.mark.parametrize("splits", [1, 2, 7, 256])
@pytest.mark.parametrize("lse_strides", ["plain", "seqlen_first"])
def test_combine(machine: Machine, dtype: torch.dtype, splits: int, lse_strides: str) -> None:
    machine.use(3, Mode(barriers="auto" if splits == 2 else "explicit"))
    check_combine(wheels(3), dtype, splits, lse_strides)


def test_nothing_to_combine(machine: Machine) -> None:
    machine.use(2)
    out, lse = wheels(3).module.flash_attn_combine(
        torch.zeros(2, 0, 9, 3, 8), torch.zeros(2, 0, 9, 3)
    )
    assert out.shape == (0, 9, 3, 8) and lse.shape == (0, 9, 3)


def test_a_wide_value_dim_is_refused(machine: Machine) -> None:
    machine.use(2)
    module = wheels(3).module
    with pytest.raises(module.NotSupported, match=r"value dim 513.*up to 512"):
        module.flash_attn_combine(torch.zeros(2, 1, 1, 1, 513), torch.zeros(2, 1, 1, 1))
