"""Everyday tensor work with device="npu", the unmodified torch_npu over the simulated runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "copy": lambda x: x,
    "transposed": lambda x: x.t().contiguous(),
    "slice": lambda x: x[:, 1:3],
    "clone": lambda x: x.clone(),
    "add": lambda x: x + x,
    "add a number": lambda x: x + 1,
    "multiply": lambda x: x * 2,
    "subtract": lambda x: x - 3 * x,
    "half": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "matmul": lambda x: x @ x.t(),
    "compare": lambda x: x > 4,
    "sum": lambda x: x.sum(),
    "cat": lambda x: torch.cat([x, x]),
    "zeros like": torch.zeros_like,
    "full": lambda x: torch.full((4,), 2.5, device=x.device),
    "arange": lambda x: torch.arange(5, device=x.device),
    "softmax": lambda x: torch.softmax(x, -1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_as_on_the_cpu(x: Tensor, name: str) -> None:
    result = OPERATIONS[name](x.to("npu"))
    assert result.device.type == "npu"
    torch.testing.assert_close(result.cpu(), OPERATIONS[name](x))


def test_random_numbers_are_those_of_the_seed() -> None:
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.randn(1000, device="npu").cpu())
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert abs(float(draws[0].mean())) < 0.2 and 0.8 < float(draws[0].std()) < 1.2


def test_gradients(x: Tensor) -> None:
    leaf = x.to("npu").requires_grad_()
    (leaf * leaf).sum().backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad.cpu(), 2 * x)


def test_copies_without_waiting(x: Tensor, npu: Any) -> None:
    pinned = torch.empty(3, 4).pin_memory()
    pinned.copy_(x.to("npu"), non_blocking=True)
    npu.synchronize()
    assert torch.equal(pinned, x)


def test_what_is_missing_says_its_name(x: Tensor) -> None:
    with pytest.raises(RuntimeError, match="operator name is Svd"):
        torch.linalg.svd(x.to("npu") @ x.to("npu").t())[1].cpu()
