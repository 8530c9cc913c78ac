"""Everyday tensor work with device="npu", the unmodified torch_npu over the simulated runtime."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
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
    "sum beside a dimension of 1": lambda x: x.view(3, 2, 1, 2).sum(-1),
    "argmax": lambda x: (-x).argmax(-1),
    "argmax of equal ones": lambda x: (x > 5).long().argmax(0, keepdim=True),
    "embedding": lambda x: F.embedding(integers(x, [[2, 0], [1, 1]]), x),
    "rows": lambda x: x[integers(x, [2, 0, -1])],
    "elements": lambda x: x[integers(x, [2, 0]), integers(x, [1, 3])],
    "elements by a mask": lambda x: x[x > 4],
    "rows by a mask": lambda x: x[x[:, 0] > 3],
    "index select": lambda x: x.index_select(1, integers(x, [3, 0])),
    "index copy": lambda x: x.index_copy(0, integers(x, [2, 0]), 2 * x[:2]),
    "nonzero": lambda x: (x > 4).nonzero(),
    "masked fill": lambda x: x.masked_fill(x > 4, -1),
    "masked fill of rows": lambda x: x.masked_fill(x[:, :1] > 3, 0.5),
    "masked scatter": lambda x: x.masked_scatter(x > 4, 2 * x),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=3.0),
    "bits of truths": lambda x: ((x > 4) & (x < 8)) | (x < 2),
    "bits and a number": lambda x: (x.long() & 6) | 1,
}
# With results that are rounded, also to fp16 and bf16.
ROUNDED: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean(-1, keepdim=True),
    "mean of all": lambda x: x.mean(),
    "mean of rows": lambda x: x.view(3, 2, 2).mean((0, 2)),
    "power": lambda x: x.pow(2),
    "root as a power": lambda x: x.pow(0.5),
    "rsqrt": lambda x: (x + 1).rsqrt(),
    "cos": torch.cos,
    "sin": torch.sin,
    "silu": lambda x: F.silu(x - 5),
    "gelu": lambda x: F.gelu(x - 5),
    "layer norm": lambda x: F.layer_norm(x, (4,), x[1], x[2], 1e-5),
    "layer norm of matrices": lambda x: F.layer_norm(x.view(3, 2, 2), (2, 2)),
    "linear": lambda x: F.linear(x, x[:2]),
    "linear with bias": lambda x: F.linear(x, x[:2], x[0, :2].contiguous()),
    "added product": lambda x: torch.addmm(x[:, :3], x, x.t(), beta=0.5, alpha=2),
}


def integers(x: Tensor, values: list[Any]) -> Tensor:
    """Indices where x is."""
    return torch.tensor(values, device=x.device)


@pytest.mark.parametrize("name", OPERATIONS)
def test_as_on_the_cpu(x: Tensor, name: str) -> None:
    result = OPERATIONS[name](x.to("npu"))
    assert result.device.type == "npu"
    torch.testing.assert_close(result.cpu(), OPERATIONS[name](x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_as_on_the_cpu(x: Tensor, name: str, dtype: torch.dtype) -> None:
    result = ROUNDED[name](x.to("npu", dtype))
    assert result.device.type == "npu" and result.dtype == dtype
    torch.testing.assert_close(result.cpu(), ROUNDED[name](x.to(dtype)))


def test_an_index_out_of_range(x: Tensor, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="synchronize failed"):
        x.to("npu").index_select(0, integers(x, [3]).to("npu")).cpu()
    reported = r"aclnnIndexSelect on stream \d+: index 3 of a dimension of size 3"
    assert re.search(reported, capfd.readouterr().err)


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
