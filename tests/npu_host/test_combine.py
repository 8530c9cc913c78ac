"""flash_attn_combine on simulated NPU kernels, within 1e-5 of fp64 before the output rounding."""

from __future__ import annotations

import math

import pytest
import torch

from fa_testing.oracle import combine
from npu_host.machine import Machine, Mode, wheels

UNITS = {torch.float32: 0.0, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}


@pytest.mark.parametrize("dtype", UNITS, ids=str)
@pytest.mark.parametrize("splits", [1, 2, 7, 256])
@pytest.mark.parametrize("lse_strides", ["plain", "seqlen_first"])
def test_combine(machine: Machine, dtype: torch.dtype, splits: int, lse_strides: str) -> None:
    machine.use(3, Mode(barriers="auto" if splits == 2 else "explicit"))
    generator = torch.Generator().manual_seed(splits)
    out_partial = torch.randn(splits, 2, 9, 3, 40, generator=generator)
    lse_partial = 3.0 * torch.randn(splits, 2, 9, 3, generator=generator)
    lse_partial[0, 0, 1] = -math.inf
    lse_partial[:, 1, 2] = -math.inf
    if lse_strides == "seqlen_first":
        lse_partial = lse_partial.transpose(2, 3).contiguous().transpose(2, 3)
    out, lse = wheels(3).module.flash_attn_combine(out_partial, lse_partial, out_dtype=dtype)
    expected, expected_lse = combine(out_partial.double(), lse_partial.double())
    error = (out.double() - expected).abs()
    assert bool((error <= 1e-5 + UNITS[dtype] * expected.abs()).all())
    empty = expected_lse == -math.inf
    assert bool((lse[empty] == -math.inf).all()) and bool((out[empty] == 0).all())
    assert float((lse.double() - expected_lse)[~empty].abs().max()) <= 1e-5


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
