"""The short way of plain calls: what goes it, what does not, and that nobody can tell."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fa_testing.backends import Wheel
from npu_device.calls import inputs

OPTIONS = (True, None, 1, (-1, -1), 0.0)
HAS_SHIM = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 5)


def plain(wheel: Wheel, q: Any, k: Any, v: Any, *options: Any, lengths: Any = None) -> Any:
    options = options or OPTIONS
    return wheel.native.attend_plain(q, k, v, lengths, None, *options, wheel.api, True)


def operators(wheel: Wheel) -> Any:
    """Those that the dispatcher knows."""
    return importlib.import_module(f"{wheel.module.__name__}._common.ops")


@pytest.fixture
def qkv() -> list[Tensor]:
    return [x.to("npu") for x in inputs()]


def test_the_dispatcher_gives_the_same_bits(wheel: Wheel, qkv: list[Tensor]) -> None:
    results = plain(wheel, *qkv)
    assert (results is not None) == HAS_SHIM
    if results is not None:
        expected = operators(wheel).forward_dense(*qkv, True, None, 1)
        for one, other in zip(results, expected, strict=True):
            assert type(one) is Tensor and one.device == other.device
            assert one.stride() == other.stride() and torch.equal(one.cpu(), other.cpu())


def test_caches(wheel: Wheel, qkv: list[Tensor]) -> None:
    lengths = torch.tensor([30, 40], dtype=torch.int32)
    call, (q, k, v) = wheel.module.flash_attn_with_kvcache, qkv
    out = call(q[:, :1], k, v, cache_seqlens=lengths.to("npu"))
    short = plain(wheel, q[:, :1], k, v, False, None, 0, (-1, -1), 0.0, lengths=lengths.to("npu"))
    assert (short is not None) == HAS_SHIM
    expected = operators(wheel).forward_kvcache(q[:, :1], k, v, lengths.to("npu"))[0]
    assert torch.equal(out.cpu(), expected.cpu())
    if short is not None:
        assert torch.equal(out.cpu(), short[0].cpu())


class Sub(Tensor):
    pass


class Watch(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, *rest: Any) -> Any:
        return function(*rest[1], **(rest[2] or {}))


def negated(x: Tensor) -> Tensor:
    return torch._neg_view(x)


CHANGES: dict[str, Callable[[Tensor], Any]] = {
    "host memory": Tensor.cpu,
    "subclass": lambda x: x.as_subclass(Sub),
    "negated": negated,
    "dtype": Tensor.float,
    "int8": Tensor.char,
    "rank": lambda x: x[0],
    "batch": lambda x: x[:1],
    "no tensor": lambda _: 3,
    "gradient": lambda x: x.clone().requires_grad_(),
    "functional": torch._to_functional_tensor,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_does_not_go_it(wheel: Wheel, qkv: list[Tensor], place: int, change: str) -> None:
    qkv[place] = CHANGES[change](qkv[place])
    assert plain(wheel, *qkv) is None


@pytest.mark.parametrize("place", range(5))
def test_options_of_another_type(wheel: Wheel, qkv: list[Tensor], place: int) -> None:
    odd = (1, "a", 1.0, [-1, -1], 0)
    options = [odd[i] if i == place else value for i, value in enumerate(OPTIONS)]
    assert plain(wheel, *qkv, *options) is None


def test_watchers_see_the_operator(wheel: Wheel, qkv: list[Tensor]) -> None:
    with Watch():
        assert plain(wheel, *qkv) is None
    with torch.autograd.profiler.profile():
        assert plain(wheel, *qkv) is None


def test_results_in_inference_mode(wheel: Wheel, qkv: list[Tensor]) -> None:
    expected = wheel.module.flash_attn_func(*qkv)
    with torch.inference_mode():
        out = wheel.module.flash_attn_func(*qkv)
    assert out.is_inference() and not expected.is_inference()
    assert torch.equal(out.cpu(), expected.cpu())


def test_parameters_without_gradients(wheel: Wheel, qkv: list[Tensor]) -> None:
    expected = wheel.module.flash_attn_func(*qkv)
    parameters = [torch.nn.Parameter(x) for x in qkv]
    with torch.no_grad():
        out = wheel.module.flash_attn_func(*parameters)
    assert type(out) is Tensor and not out.requires_grad
    assert torch.equal(out.cpu(), expected.cpu())
    assert wheel.module.flash_attn_func(*parameters).requires_grad


@pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.functionalize])
def test_transforms(
    wheel: Wheel, qkv: list[Tensor], transform: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """What they wrap has no memory to read; with other tensors, too, they see the operator."""
    q, k, v = qkv
    results = []

    def call(x: Tensor) -> Tensor:
        results.extend([plain(wheel, x, k, v), plain(wheel, q, k, v)])
        return x

    transform(call)(q[None])
    assert results == [None, None]
    assert "xception" not in capfd.readouterr().err  # torch's C functions print theirs
