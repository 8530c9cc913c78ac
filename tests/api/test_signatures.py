"""Public functions have the parameters of the originals, in order, with their defaults.

`signatures.json` holds those facts: per module and function a list of [name] or [name, default].
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
from pathlib import Path

import pytest

SNAPSHOT = json.loads(Path(__file__).with_name("signatures.json").read_text())
FUNCTIONS = [(module, name) for module, functions in SNAPSHOT.items() for name in functions]
EXTENSIONS = {"learnable_sink", "k_descale", "v_descale"}


@pytest.mark.smoke
@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_parameters_are_the_originals(module: str, name: str) -> None:
    if importlib.util.find_spec(module.split(".")[0]) is None:
        pytest.skip(f"{module} is not installed")
    function = getattr(importlib.import_module(module), name)
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    ours = [[p.name] if p.default is p.empty else [p.name, repr(p.default)] for p in positional]
    assert ours == SNAPSHOT[module][name]
    added = [p for p in parameters if p not in positional]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is None for p in added)
    assert {p.name for p in added} <= EXTENSIONS


@pytest.mark.parametrize("module", ["flash_attn", "flash_attn_interface"])
def test_public_functions_are_plain_functions(module: str) -> None:
    """Clients inspect and replace them."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    package = importlib.import_module(module)
    for name in SNAPSHOT[module]:
        assert inspect.isfunction(getattr(package, name))
        inner = importlib.import_module(f"{module}.flash_attn_interface")
        assert getattr(inner, name) is getattr(package, name)
