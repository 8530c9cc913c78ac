"""Whoever must see an operator sees it, although plain eager calls leave the dispatcher out."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from api.support import Wheel, gradient, leaf, normal


class Watch(TorchDispatchMode):
    """Notes the operators of a wheel."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func).startswith("flash_attn_npu"):
            self.seen.append(str(func).split(".")[1])
        return func(*args, **(kwargs or {}))


class Wrapped(Tensor):
    """A subclass that holds a tensor and notes what is done with it."""

    held: Tensor
    seen: list[str]

    @staticmethod
    def __new__(cls, held: Tensor) -> Wrapped:
        wrapped: Wrapped = Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype)
        wrapped.held = held
        return wrapped

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        Wrapped.seen.append(str(func))
        plain = [x.held if isinstance(x, Wrapped) else x for x in args]
        return func(*plain, **(kwargs or {}))


def dense(wheel: Wheel) -> Callable[[Tensor], Tensor]:
    return lambda q: wheel.module.flash_attn_func(q, q, q, causal=True)


def general(wheel: Wheel) -> Callable[[Tensor], Tensor]:
    return lambda q: wheel.module.flash_attn_func(q, q, q, learnable_sink=torch.zeros(4))


def cached(wheel: Wheel) -> Callable[[Tensor], Tensor]:
    return lambda q: wheel.module.flash_attn_with_kvcache(q, q, q, cache_seqlens=3)


def appended(wheel: Wheel) -> Callable[[Tensor], Tensor]:
    def call(q: Tensor) -> Tensor:
        cache = torch.zeros(2, 9, 4, 16)
        out: Tensor = wheel.module.flash_attn_with_kvcache(
            q, cache, cache.clone(), q, q, cache_seqlens=3
        )
        return out

    return call


CALLS = {
    "forward_dense": dense,
    "forward": general,
    "forward_kvcache": cached,
    "forward_kvcache_append": appended,
}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest, wheel: Wheel) -> tuple[str, Callable[[Tensor], Tensor]]:
    """Name of an operator and a call that ends in it."""
    return request.param, CALLS[request.param](wheel)


Call = tuple[str, Callable[[Tensor], Tensor]]


@pytest.fixture
def q() -> Tensor:
    return normal(2, 5, 4, 16)


def test_a_mode_sees_it(call: Call, q: Tensor) -> None:
    name, function = call
    expected = function(q)
    with Watch() as watch:
        out = function(q)
    assert watch.seen == [name]
    assert torch.equal(out, expected)


def test_a_mode_sees_it_with_gradients(wheel: Wheel) -> None:
    for name, make in (("forward_dense", dense), ("forward", general)):
        x = leaf(2, 5, 4, 16)
        with Watch() as watch:
            make(wheel)(x).sum().backward()
        assert watch.seen == [name, "backward"]
        direct = leaf(2, 5, 4, 16)
        make(wheel)(direct).sum().backward()
        assert torch.equal(gradient(x), gradient(direct))


def test_a_subclass_sees_it(call: Call, q: Tensor) -> None:
    name, function = call
    Wrapped.seen = []
    out = function(Wrapped(q))
    assert any(f".{name}.default" in seen for seen in Wrapped.seen)
    assert torch.equal(out, function(q))


def test_fx_records_it(call: Call, q: Tensor) -> None:
    name, function = call
    for mode in ("real", "fake"):
        graph = make_fx(function, tracing_mode=mode)(q)
        assert f".{name}.default" in graph.code
    x = normal(2, 5, 4, 16, seed=1)
    assert torch.equal(graph(x), function(x))


def test_the_profiler_sees_it(call: Call, q: Tensor) -> None:
    name, function = call
    with torch.autograd.profiler.profile() as profile:
        function(q)
    assert any(event.name.endswith(f"::{name}") for event in profile.function_events)


def test_plain_calls_do_without(wheel: Wheel, q: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would show nothing."""
    operators = importlib.import_module(f"{wheel.name}._common.ops")
    for name in CALLS:
        monkeypatch.delattr(operators, name)
    for make in CALLS.values():
        make(wheel)(q)
    dense(wheel)(leaf(2, 5, 4, 16))
    general(wheel)(leaf(2, 5, 4, 16))


def test_the_dispatcher_serves_where_torch_is_unknown(
    wheel: Wheel, q: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    attention = importlib.import_module(f"{wheel.name}._common.attention")
    expected = [make(wheel)(q) for make in CALLS.values()]
    monkeypatch.setattr(attention, "undisturbed", lambda *_: False)
    for out, make in zip(expected, CALLS.values(), strict=True):
        assert torch.equal(make(wheel)(q), out)
    out = dense(wheel)(leaf(2, 5, 4, 16))
    out.sum().backward()


def test_lazily_negated_values(call: Call, q: Tensor) -> None:
    """The imaginary part of a conjugate has its sign as a flag, not in memory."""
    negated = torch.complex(torch.zeros_like(q), q).conj().imag
    assert negated.is_neg()
    assert torch.equal(call[1](negated), call[1](-q))


def test_lazily_zero_values(wheel: Wheel) -> None:
    """They have no memory."""
    zero = torch._efficientzerotensor((2, 5, 4, 16))
    for make in (dense, general):
        assert torch.equal(make(wheel)(zero), torch.zeros(2, 5, 4, 16))


def test_func_transforms_are_refused(wheel: Wheel, q: Tensor) -> None:
    """As with the originals: torch.func takes no such autograd function."""
    with pytest.raises(RuntimeError, match="setup_context"):
        torch.func.grad(lambda x: dense(wheel)(x).sum())(q)


def test_vmap(wheel: Wheel) -> None:
    """torch falls back to a loop over calls."""
    q = normal(3, 2, 5, 4, 16)
    out = torch.vmap(dense(wheel))(q)
    assert torch.equal(out, torch.stack([dense(wheel)(x) for x in q]))


def test_parameters(wheel: Wheel, q: Tensor) -> None:
    parameter = torch.nn.Parameter(q.clone())
    dense(wheel)(parameter).sum().backward()
    x = q.clone().requires_grad_()
    dense(wheel)(x).sum().backward()
    assert torch.equal(gradient(parameter), gradient(x))
