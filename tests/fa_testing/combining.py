"""flash_attn_combine against fp64, the same check for every back end."""

from __future__ import annotations

import math

import torch

from fa_testing.backends import Wheel
from fa_testing.oracle import combine

UNITS = {torch.float32: 0.0, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}


def check_combine(wheel: Wheel, dtype: torch.dtype, splits: int, lse_strides: str) -> None:
    """Within 1e-5 of fp64 before the output rounding; `lse_strides`: plain or seqlen_first.

    Some partials, and all of one row, have no keys.
    """
    generator = torch.Generator().manual_seed(splits)
    out_partial = torch.randn(splits, 2, 9, 3, 40, generator=generator)
    lse_partial = 3.0 * torch.randn(splits, 2, 9, 3, generator=generator)
    lse_partial[0, 0, 1] = -math.inf
    lse_partial[:, 1, 2] = -math.inf
    if lse_strides == "seqlen_first":
        lse_partial = lse_partial.transpose(2, 3).contiguous().transpose(2, 3)
    out, lse = wheel.module.flash_attn_combine(out_partial, lse_partial, out_dtype=dtype)
    expected, expected_lse = combine(out_partial.double(), lse_partial.double())
    assert out.dtype == dtype and lse.dtype == torch.float32 and lse.shape == (2, 9, 3)
    assert lse.transpose(1, 2).is_contiguous()
    error = (out.double() - expected).abs()
    assert bool((error <= 1e-5 + UNITS[dtype] * expected.abs()).all())
    empty = expected_lse == -math.inf
    assert bool((lse[empty] == -math.inf).all()) and bool((out[empty] == 0).all())
    assert float((lse.double() - expected_lse)[~empty].abs().max()) <= 1e-5
