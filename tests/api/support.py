"""The wheels under test, and attention written down in plain torch."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor


class Wheel(NamedTuple):
    """One installed wheel."""

    api: int
    name: str  # import name
    module: Any
    ops: Any  # torch.ops namespace

    def dense(self, q: Tensor, k: Tensor, v: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        """flash_attn_func with out and lse."""
        results = self.module.flash_attn_func(q, k, v, return_attn_probs=True, **options)
        return results[0], results[1]


def load(api: int) -> Wheel:
    """Returns the wheel, or skips the test where it is not installed."""
    name = {2: "flash_attn", 3: "flash_attn_interface"}[api]
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    module = importlib.import_module(name)
    return Wheel(api, name, module, getattr(torch.ops, f"flash_attn_npu_v{api}"))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal values that depend on shape and seed only."""
    generator = torch.Generator().manual_seed(seed * 1009 + sum(shape))
    return torch.randn(shape, generator=generator).to(dtype)


def leaf(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """`normal` that requires a gradient."""
    return normal(*shape, seed=seed, dtype=dtype).requires_grad_()


def gradient(x: Tensor) -> Tensor:
    """What a backward left in `x`."""
    assert x.grad is not None
    return x.grad


def reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: bool = False,
    sink: Tensor | None = None,
    qv: Tensor | None = None,
    softcap: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """out and lse of padded q, k, v, computed in their dtype with the full score matrix."""
    group = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)
    scores = torch.einsum("bihd,bjhd->bhij", q, k)
    width = q.shape[-1]
    if qv is not None:
        scores = scores + torch.einsum("bihd,bjhd->bhij", qv, v)
        width += qv.shape[-1]
    scores = scores * width**-0.5
    if softcap > 0:
        scores = softcap * torch.tanh(scores / softcap)
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(k.shape[1] - q.shape[1])
        scores = scores.masked_fill(~seen, float("-inf"))
    if sink is not None:
        column = sink.to(scores.dtype)[None, :, None, None].expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, column], -1)
    probs = scores.softmax(-1)[..., : k.shape[1]]
    return torch.einsum("bhij,bjhd->bihd", probs, v), scores.logsumexp(-1)


def assert_close(actual: Tensor, exact: Tensor, same_dtype: Tensor, what: str = "") -> None:
    """The error is at most twice that of torch in the same dtype.

    `exact` is the formula in fp64, `same_dtype` the same formula in the dtype of `actual`. Where
    torch happens to be exact, a few roundings of the largest value must still be allowed: sums of
    n <= 64 terms in fp32 deviate by about sqrt(n) = 8 units.
    """
    assert actual.dtype == same_dtype.dtype
    assert actual.shape == exact.shape, what
    error = (actual.double() - exact).abs().max()
    torch_error = (same_dtype.double() - exact).abs().max()
    rounding = 8 * torch.finfo(actual.dtype).eps * exact.abs().max()
    assert error <= 2 * torch_error + rounding, (
        f"{what}: error {error:.3g}, torch {torch_error:.3g}, rounding {rounding:.3g}"
    )
