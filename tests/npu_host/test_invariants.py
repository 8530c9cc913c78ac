"""What must not change results: the number of cores, repetition, threads, the way into the call."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from fa_testing.backends import Wheel
from npu_host.generated import CORES, MODES
from npu_host.machine import Machine, wheels


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    q, k, v = torch.randn(2, 270, 4, 72), torch.randn(2, 1000, 2, 72), torch.randn(2, 1000, 2, 24)
    return q.half(), k.half(), v.half()


# Masks under which a block of queries begins anywhere: what it sees must not be cut by its size.
MASKS: dict[str, dict[str, Any]] = {
    "causal": {"causal": True},
    "window": {"window_size": (300, 100)},
    "causal window": {"causal": True, "window_size": (400, 0)},
    "chunk": {"attention_chunk": 300},
}


def masks(wheel: Wheel) -> list[dict[str, Any]]:
    """v2 has no num_splits: with a window it may choose more than one, by the number of cores."""
    return list(MASKS.values()) if wheel.api == 3 else [MASKS["causal"]]


def attend(wheel: Wheel, q: Tensor, k: Tensor, v: Tensor, **mask: Any) -> list[Tensor]:
    """out and lse."""
    mask = mask or MASKS["causal"]
    return list(wheel.module.flash_attn_func(q, k, v, return_attn_probs=True, **mask)[:2])


def results(wheel: Wheel, **mask: Any) -> list[Tensor]:
    return attend(wheel, *inputs(), **mask)


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_cores_and_barriers_do_not_change_a_bit(wheel: Wheel, machine: Machine) -> None:
    for mask in masks(wheel):
        machine.use(1)
        first = results(wheel, **mask)
        rows = set()
        for cores, mode in zip(CORES, itertools.cycle(MODES), strict=False):
            machine.use(cores, mode)
            assert same(results(wheel, **mask), first), (mask, cores, mode)
            rows.add(wheel.native.last_plan()["rows_per_task"])
        assert len(rows) > 1, "all plans cut the queries alike"


def test_an_entry_alone_is_what_it_is_in_a_batch(wheel: Wheel, machine: Machine) -> None:
    machine.use(15)
    q, k, v = inputs()
    for mask in masks(wheel):
        out, lse = results(wheel, **mask)
        rows = {wheel.native.last_plan()["rows_per_task"]}
        for b in range(len(q)):
            entry = slice(b, b + 1)
            alone = attend(wheel, q[entry], k[entry], v[entry], **mask)
            assert same([out[entry], lse[entry]], alone), mask
            rows.add(wheel.native.last_plan()["rows_per_task"])
        assert len(rows) > 1, "the plans cut the queries alike"


def test_calls_of_several_threads(wheel: Wheel, machine: Machine) -> None:
    machine.use(5)
    tensors = inputs()
    expected = attend(wheel, *tensors)
    found: list[list[Tensor]] = []

    def work() -> None:
        found.append(attend(wheel, *tensors))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(same(one, expected) for one in found)


def test_through_the_operators(wheel: Wheel, machine: Machine) -> None:
    """torch.compile's graphs call the same back end."""
    if not hasattr(torch, "compile"):
        pytest.skip("this torch compiles nothing")
    machine.use(5)
    expected = results(wheel)

    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    assert same(compiled(wheel, *inputs()), expected)
    assert wheel.native.last_plan()["backend"] == "npu"


def test_both_wheels_agree(machine: Machine) -> None:
    machine.use(24)
    assert same(results(wheels(2)), results(wheels(3)))


def test_a_graph_is_recorded_and_its_backward_refused(wheel: Wheel, machine: Machine) -> None:
    machine.use(2)
    q, k, v = (x.requires_grad_() for x in inputs())
    out = wheel.module.flash_attn_func(q, k, v)
    with pytest.raises(wheel.module.NotSupported, match="backward: the back end npu has none yet"):
        out.float().sum().backward()


@pytest.mark.parametrize("cores", [1, 24])
@pytest.mark.parametrize("starts", [(0, 3, 3, 200), (5, 9, 150, 300), (300, 300), (0,)])
def test_tokens_of_no_sequence_are_zero(
    wheel: Wheel, machine: Machine, cores: int, starts: tuple[int, ...]
) -> None:
    """Before, between and behind the sequences of a packed tensor, as on the CPU."""
    machine.use(cores)
    q = torch.randn(310, 3, 40).half()
    cu = torch.tensor(starts, dtype=torch.int32)
    arguments = {"return_attn_probs": True, "causal": True}
    out, lse, *_ = wheel.module.flash_attn_varlen_func(q, q, q, cu, cu, 200, 200, **arguments)
    outside = torch.ones(310, dtype=torch.bool)
    outside[starts[0] : starts[-1]] = False
    assert out[outside].eq(0).all()
    assert lse[:, outside].eq({2: float("inf"), 3: float("-inf")}[wheel.api]).all()
    assert out[~outside].ne(0).any(-1).all()
