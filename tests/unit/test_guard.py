"""The guard around native outputs notices what it is there for."""

from __future__ import annotations

import math

import pytest
import torch

from fa_testing.compare import compare, unravel
from fa_testing.expected import Target
from fa_testing.guard import OutOfBoundsError, Shield

LAYOUTS = {
    "plain": torch.zeros(3, 4),
    "strided": torch.zeros(6, 8)[::2, ::2],
    "transposed": torch.zeros(4, 3).T,
    "half": torch.zeros(3, 4, dtype=torch.bfloat16),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_are_handed_over(layout: str) -> None:
    output = LAYOUTS[layout].clone()
    shield = Shield("out", output)
    assert bool(shield.view.isnan().all()) and shield.view.stride() == output.stride()
    shield.view.copy_(torch.arange(12).reshape(3, 4))
    shield.release()
    assert output.flatten().tolist() == list(range(12))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unwritten_elements_are_nan(layout: str) -> None:
    output = LAYOUTS[layout].clone()
    shield = Shield("out", output)
    shield.view[1:] = 1
    shield.release()
    assert bool(output[0].isnan().all()) and bool((output[1:] == 1).all())


@pytest.mark.parametrize("place", [-1, 12])
def test_a_write_outside_is_found(place: int) -> None:
    shield = Shield("out", torch.zeros(3, 4))
    shield.view.fill_(1)
    outside = shield.view.as_strided((1,), (1,), shield.view.storage_offset() + place)
    outside.fill_(1.0)
    with pytest.raises(OutOfBoundsError, match="out: wrote"):
        shield.release()


def test_a_write_into_a_gap_is_found() -> None:
    shield = Shield("dq", torch.zeros(6, 8)[:, :5])
    shield.view.fill_(1)
    gap = shield.view.as_strided((1,), (1,), shield.view.storage_offset() + 6)
    gap.fill_(1.0)
    with pytest.raises(OutOfBoundsError, match="dq: wrote"):
        shield.release()


def test_empty_outputs() -> None:
    Shield("out", torch.zeros(0, 4)).release()


def target(values: list[float], bound: float) -> Target:
    value = torch.tensor(values, dtype=torch.float64)
    return Target(value, torch.full_like(value, bound))


@pytest.mark.parametrize(
    ("actual", "reason"),
    [
        ([1.0, math.nan, -math.inf], "NaN or infinity"),
        ([1.0, 2.0, math.inf], "NaN or infinity"),
        ([1.0, 2.0, 3.0], "NaN or infinity"),
        ([1.0, 2.3, -math.inf], "outside the bound"),
        ([1.0, 2.0], "shape"),
    ],
)
def test_compare_finds(actual: list[float], reason: str) -> None:
    found = compare("out", torch.tensor(actual), target([1.0, 2.0, -math.inf], 0.2))
    assert found is not None and reason in found.reason


def test_compare_accepts() -> None:
    expected = target([1.0, 2.0, -math.inf], 0.2)
    assert compare("out", torch.tensor([1.1, 1.9, -math.inf]), expected) is None
    exact = target([0.0, 5.0], 0.0)
    assert compare("out", torch.tensor([0.0, 5.0]), exact) is None
    assert compare("out", torch.tensor([0.0, 5.1]), exact) is not None


def test_the_worst_element_is_named() -> None:
    expected = target([1.0, 2.0, 3.0], 0.1)
    found = compare("out", torch.tensor([1.2, 2.9, 3.3]), expected)
    assert found is not None and found.index == (1,) and found.count == 3
    assert unravel(7, torch.Size([2, 2, 3])) == (1, 0, 1)
