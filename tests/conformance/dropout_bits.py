"""Dropout: the documented generator bit by bit, its statistics, and its state."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fa_testing.backends import Wheel
from fa_testing.dropout import keep_mask
from fa_testing.dropout_bits import threshold
from fa_testing.guard import Guard


def require_dropout(wheel: Wheel) -> None:
    if wheel.api != 2:
        pytest.skip("the v3 functions have no dropout")


def drop(wheel: Wheel, n: int, m: int, p: float, heads: int = 2) -> tuple[Tensor, tuple[int, int]]:
    """keep [2, heads, n, m] as S_dmask shows it, and the call's random state."""
    q, k = torch.zeros(2, n, heads, 8), torch.zeros(2, m, heads, 8)
    with Guard(wheel) as guard:
        _, _, probs = wheel.module.flash_attn_func(q, k, k, p, return_attn_probs=True)
    assert guard.rng is not None
    assert bool((probs[:, :, :n, :m].abs() == 1).all())
    return probs[:, :, :n, :m] > 0, guard.rng


@pytest.mark.smoke
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("n", "m"), [(5, 7), (1, 300), (129, 130)])
def test_bits_of_the_documented_generator(wheel: Wheel, p: float, n: int, m: int) -> None:
    require_dropout(wheel)
    keep, rng = drop(wheel, n, m, p)
    for entry in range(2):
        assert torch.equal(keep[entry], keep_mask(*rng, entry, 2, n, m, p)), f"entry {entry}"


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_statistics(wheel: Wheel, p: float) -> None:
    """Share, independence between rows, heads, entries and neighbouring keys: within 5 sigma."""
    require_dropout(wheel)
    torch.manual_seed(1)
    keep, _ = drop(wheel, 256, 512, p)
    share = (threshold(p) + 1) / 256  # what a byte can express of 1 - p
    assert abs(share - (1 - p)) <= 1 / 256
    bits = keep.double()
    sigma = math.sqrt(share * (1 - share))
    assert abs(float(bits.mean()) - share) < 5 * sigma / math.sqrt(bits.numel())
    for dim in range(4):
        means = bits.mean([d for d in range(4) if d != dim])
        spread = sigma / math.sqrt(bits.numel() / means.numel())
        assert float((means - share).abs().max()) < 5.5 * spread, f"dim {dim}"
    centred = (bits - share) / sigma
    for dim in range(4):
        for lag in (1, 4, 5):
            if keep.shape[dim] > lag:
                a = centred.narrow(dim, 0, keep.shape[dim] - lag)
                b = centred.narrow(dim, lag, keep.shape[dim] - lag)
                assert abs(float((a * b).mean())) < 5 / math.sqrt(a.numel()), f"dim {dim}"


def test_state(wheel: Wheel) -> None:
    """torch.manual_seed repeats a mask, the next call draws another, nothing is drawn without p."""
    require_dropout(wheel)
    torch.manual_seed(7)
    first, _ = drop(wheel, 16, 64, 0.5)
    second, _ = drop(wheel, 16, 64, 0.5)
    torch.manual_seed(7)
    again, _ = drop(wheel, 16, 64, 0.5)
    assert torch.equal(first, again) and not torch.equal(first, second)
    before = torch.get_rng_state()
    x = torch.zeros(1, 4, 1, 8)
    wheel.module.flash_attn_func(x, x, x)
    assert torch.equal(before, torch.get_rng_state())


def test_expected_output(wheel: Wheel) -> None:
    """Averaged over many masks, dropout changes nothing: the kept rest is scaled by 1 / (1 - p)."""
    require_dropout(wheel)
    torch.manual_seed(3)
    q, k, v = (torch.randn(1, 8, 2, 16) for _ in range(3))
    plain = wheel.module.flash_attn_func(q, k, v)
    p, runs = 0.3, 2000
    outs = torch.stack([wheel.module.flash_attn_func(q, k, v, p) for _ in range(runs)]).double()
    kept = (threshold(p) + 1) / 256 / (1 - p)  # bytes cannot express 0.7 exactly
    error = (outs.mean(0) - kept * plain).abs() / (outs.std(0) / math.sqrt(runs))
    assert float(error.max()) < 5.5
