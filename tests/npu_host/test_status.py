"""Wrong values in device memory: nothing outside of the tensors is touched, the other sequences are
right, and FLASH_ATTN_NPU_DEBUG=1 makes them errors that name the operation and the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fa_testing.backends import Wheel
from npu_host.machine import Machine, Mode

DEVICE = Mode(values="leave")
DEBUG = Mode(values="leave", debug="1")


def int32(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def half(*shape: int) -> Tensor:
    torch.manual_seed(sum(shape))
    return torch.randn(*shape).half()


def paged(wheel: Wheel, pages: list[list[int]], lengths: Tensor) -> Tensor:
    """Two sequences of up to 48 keys in 6 pages of 16."""
    name = {2: "block_table", 3: "page_table"}[wheel.api]
    q, k, v = half(2, 1, 4, 32), half(6, 16, 2, 32), half(6, 16, 2, 32).flip(0)
    table = {name: torch.tensor(pages, dtype=torch.int32)}
    out: Tensor = wheel.module.flash_attn_with_kvcache(q, k, v, cache_seqlens=lengths, **table)
    return out


def packed(wheel: Wheel, starts_q: Tensor, starts_k: Tensor) -> Tensor:
    """Two sequences; at most 30 queries and 60 keys each."""
    q, k = half(60, 4, 32), half(100, 2, 32)
    out: Tensor = wheel.module.flash_attn_varlen_func(q, k, k, starts_q, starts_k, 30, 60)
    return out


class Cache:
    """Two sequences with room for 20 keys each in a cache of three rows, and 4 new keys."""

    def __init__(self) -> None:
        self.k, self.v = half(3, 20, 2, 32), half(3, 20, 2, 32).flip(0)

    def append(self, wheel: Wheel, lengths: Tensor, rows: Tensor, positions: int = 24) -> Tensor:
        new, table = half(2, 4, 2, 32), half(24, 8)[:positions]
        out: Tensor = wheel.module.flash_attn_with_kvcache(
            half(2, 4, 4, 32),
            self.k,
            self.v,
            new,
            new.flip(0),
            rotary_cos=table,
            rotary_sin=table / 2,
            cache_seqlens=lengths,
            cache_batch_idx=rows,
            causal=True,
        )
        return out


def appended(wheel: Wheel, lengths: Tensor, rows: Tensor, positions: int = 24) -> Tensor:
    return Cache().append(wheel, lengths, rows, positions)


PAGES, LENGTHS = [[0, 1, 2], [3, 4, 5]], int32(48, 40)
STARTS_Q, STARTS_K = int32(0, 30, 60), int32(0, 50, 100)
# The call with one wrong value in the second sequence, and what is said of it.
WRONG: dict[str, tuple[Callable[[Wheel], Tensor], str]] = {
    "page": (
        lambda w: paged(w, [[0, 1, 2], [3, 6, 5]], LENGTHS),
        "page_table, a page: got 6 at entry 1, expected 0 to 5",
    ),
    "negative page": (
        lambda w: paged(w, [[0, 1, 2], [3, 4, -7]], LENGTHS),
        "page_table, a page: got -7 at entry 1, expected 0 to 5",
    ),
    "length": (
        lambda w: paged(w, PAGES, int32(48, 49)),
        r"seqused_k \(cache_seqlens\): got 49 at entry 1, expected 0 to 48",
    ),
    "negative length": (
        lambda w: paged(w, PAGES, int32(48, -1)),
        r"seqused_k \(cache_seqlens\): got -1 at entry 1, expected 0 to 48",
    ),
    "end of queries": (
        lambda w: packed(w, int32(0, 30, 61), STARTS_K),
        "cu_seqlens_q: got 61 at entry 1, expected 0 to 60",
    ),
    "end of keys": (
        lambda w: packed(w, STARTS_Q, int32(0, 50, 2**31 - 1)),
        "cu_seqlens_k: got 2147483647 at entry 1, expected 0 to 100",
    ),
    "falling starts": (
        lambda w: packed(w, STARTS_Q, int32(0, 50, 40)),
        "cu_seqlens_k, a length: got -10 at entry 1, expected 0 to 60",
    ),
    "cache row": (
        lambda w: appended(w, int32(3, 5), int32(2, 3)),
        "cache_batch_idx: got 3 at entry 1, expected 0 to 2",
    ),
    "negative cache row": (
        lambda w: appended(w, int32(3, 5), int32(2, -1)),
        "cache_batch_idx: got -1 at entry 1, expected 0 to 2",
    ),
    "cache overflow": (
        lambda w: appended(w, int32(3, 17), int32(2, 0)),
        "k, new tokens behind cache_seqlens: got 21 at entry 1, expected 0 to 20",
    ),
    "cache position": (
        lambda w: appended(w, int32(3, 5), int32(2, 0), positions=8),
        "rotary_cos, a position: got 8 at entry 1, expected 0 to 7",
    ),
}
RIGHT: dict[str, Callable[[Wheel], Tensor]] = {
    "paged": lambda w: paged(w, PAGES, LENGTHS),
    "packed": lambda w: packed(w, STARTS_Q, STARTS_K),
    "cache": lambda w: appended(w, int32(3, 5), int32(2, 0)),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("cores", [1, 24])
def test_a_wrong_value_is_reported(wheel: Wheel, machine: Machine, name: str, cores: int) -> None:
    machine.use(cores, DEBUG)
    call, message = WRONG[name]
    with pytest.raises(wheel.module.InvalidArgument, match=message) as caught:
        call(wheel)
    assert str(caught.value).startswith("attention forward: the device found ")


@pytest.mark.parametrize("name", WRONG)
def test_the_other_sequence_is_right(wheel: Wheel, machine: Machine, name: str) -> None:
    """Without debugging nothing is raised; the simulator would report accesses out of bounds."""
    machine.use(5, DEVICE)
    kind = "paged" if "page" in name or "length" in name else "packed"
    right = RIGHT["cache" if "cache" in name else kind](wheel)
    result = WRONG[name][0](wheel)
    first: Any = slice(0, 1) if result.dim() == 4 else slice(0, 30)
    assert torch.equal(result[first], right[first])


@pytest.mark.parametrize(
    ("lengths", "row"), [((3, 5), 3), ((3, 5), -1), ((3, 18), 0), ((3, 20), 0)]
)
def test_new_keys_without_a_place_are_left_out(
    wheel: Wheel, machine: Machine, lengths: tuple[int, int], row: int
) -> None:
    """What the first sequence and the tokens that fit write is there, and nothing else."""
    machine.use(3, DEVICE)
    cache, before = Cache(), Cache()
    cache.append(wheel, int32(*lengths), int32(2, row))
    changed = (cache.k != before.k).flatten(2).any(-1) | (cache.v != before.v).flatten(2).any(-1)
    expected = torch.zeros(3, 20, dtype=torch.bool)
    expected[2, lengths[0] : lengths[0] + 4] = True
    if 0 <= row < 3:
        expected[row, lengths[1] : lengths[1] + 4] = True
    assert torch.equal(changed, expected)


@pytest.mark.parametrize("name", RIGHT)
def test_right_values_are_not_reported(wheel: Wheel, machine: Machine, name: str) -> None:
    machine.use(24, DEBUG)
    assert torch.isfinite(RIGHT[name](wheel)).all()


def test_the_variable_takes_two_words(wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASH_ATTN_NPU_DEBUG", "yes")
    with pytest.raises(wheel.module.InvalidArgument, match="FLASH_ATTN_NPU_DEBUG: got yes"):
        RIGHT["paged"](wheel)
