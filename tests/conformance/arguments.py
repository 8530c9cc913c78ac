"""No parameter is ignored: each one changes a result, the plan, or raises (argument_tables.py)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from conformance.argument_tables import PADDING, V2, V3, Arguments, Effect, Table, v3_cache_effects
from conformance.argument_tables import cache as cache_arguments
from fa_testing.backends import MODULES, Wheel


def tables(wheel: Wheel) -> dict[str, Table]:
    """The tables of one wheel by dotted function name."""
    if wheel.api == 2:
        return V2 | {f"bert_padding.{name}": table for name, table in PADDING.items()}
    get_metadata = wheel.module.get_scheduler_metadata
    kvcache = Table(cache_arguments, lambda: v3_cache_effects(get_metadata))
    return V3 | {"flash_attn_with_kvcache": kvcache}


# The original's own helpers, which clients import; tests/api covers them.
HELPERS = {"maybe_contiguous", "round_multiple"}


def public_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Own functions without underscore; what a module re-exports of others is theirs."""
    package = module.__name__.split(".")[0]
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name not in HELPERS
        and inspect.isfunction(value)
        and value.__module__.split(".")[0] == package
    }


def all_functions(wheel: Wheel) -> dict[str, Callable[..., Any]]:
    functions = public_functions(wheel.module)
    if wheel.api == 2:
        padding = __import__(f"{MODULES[2]}.bert_padding", fromlist=["unpad_input"])
        functions |= {f"bert_padding.{n}": f for n, f in public_functions(padding).items()}
    return functions


def copied(arguments: Arguments) -> Arguments:
    """Own tensors for every call, since caches are written."""
    return {
        name: value.clone() if isinstance(value, Tensor) else value
        for name, value in arguments.items()
    }


@contextmanager
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def observe(
    wheel: Wheel, function: Callable[..., Any], arguments: Arguments, backward: bool
) -> tuple[list[Any], dict[str, object]]:
    """Everything that a call returns or writes, and its plan."""
    arguments = copied(arguments)
    torch.manual_seed(0)
    leaves = [arguments[n] for n in ("q", "k", "v", "kv", "qkv") if backward and n in arguments]
    for leaf in leaves:
        leaf.requires_grad_()
    returned = function(**arguments)
    if backward:
        torch.autograd.grad(returned.sum(), leaves)
    results = list(returned) if isinstance(returned, tuple) else [returned]
    written = [arguments[name] for name in ("k_cache", "v_cache") if name in arguments]
    return [*results, *written], wheel.native.last_plan()


def same_form(a: list[Any], b: list[Any]) -> bool:
    """Same number of results of the same kind, dtype and shape."""

    def form(x: Any) -> Any:
        return (x.dtype, x.shape) if isinstance(x, Tensor) else type(x)

    return [form(x) for x in a] == [form(x) for x in b]


def same_values(a: list[Any], b: list[Any]) -> bool:
    def equal(x: Any, y: Any) -> bool:
        if not isinstance(x, Tensor):
            return bool(x == y)
        return bool(torch.equal(x.double().nan_to_num(), y.double().nan_to_num()))

    return same_form(a, b) and all(equal(x, y) for x, y in zip(a, b, strict=True))


def check_effect(
    wheel: Wheel, function: Callable[..., Any], table: Table, effect: Effect
) -> str | None:
    """None if the change has its effect, else what happened instead."""
    base = table.arguments() | effect.base
    before, plan_before = observe(wheel, function, base, effect.backward)
    changed = base | effect.change
    if effect.kind == "raises":
        try:
            observe(wheel, function, changed, effect.backward)
        except wheel.module.FlashAttnError:
            return None
        return "expected an error, got none"
    after, plan_after = observe(wheel, function, changed, effect.backward)
    if effect.kind == "plan":
        return None if plan_after != plan_before else f"the plan stayed {plan_before}"
    if effect.kind == "returns":
        target = effect.change.get("out")
        if target is not None:
            written = function(**copied(base) | {"out": target})[0]
            return None if written is target else "`out` was not returned"
        return None if not same_form(before, after) else "the results have the same form"
    return None if not same_values(before, after) else "the results are the same"


def test_every_function_has_a_table(wheel: Wheel) -> None:
    assert set(all_functions(wheel)) == set(tables(wheel))


def test_every_parameter_has_an_effect(wheel: Wheel) -> None:
    failures = []
    functions = all_functions(wheel)
    with two_threads():
        for name, table in tables(wheel).items():
            effects = table.effects()
            parameters = set(inspect.signature(functions[name]).parameters)
            if set(effects) != parameters:
                failures.append(f"{name}: table and signature differ: {set(effects) ^ parameters}")
            for parameter in sorted(parameters & set(effects)):
                problem = check_effect(wheel, functions[name], table, effects[parameter])
                if problem is not None:
                    kind = effects[parameter].kind
                    failures.append(f"{name}({parameter}): expected effect {kind}: {problem}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("kind", ["result", "plan", "returns", "raises"])
def test_an_ignored_parameter_is_noticed(wheel: Wheel, kind: str) -> None:
    """The check itself: a function that ignores its parameter must fail for every kind."""

    def ignores(x: Tensor, extra: int = 0) -> Tensor:
        return x + 1

    table = Table(lambda: {"x": torch.ones(2)}, dict)
    effect = Effect(kind, {"extra": 1})
    assert check_effect(wheel, ignores, table, effect) is not None
