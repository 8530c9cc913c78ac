"""Docstrings have all sections, and one parameter has one description everywhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections import defaultdict
from typing import Any

import pytest

FUNCTIONS = {
    "flash_attn": [
        "flash_attn_func",
        "flash_attn_kvpacked_func",
        "flash_attn_qkvpacked_func",
        "flash_attn_varlen_func",
        "flash_attn_varlen_kvpacked_func",
        "flash_attn_varlen_qkvpacked_func",
        "flash_attn_with_kvcache",
    ],
    "flash_attn_interface": [
        "flash_attn_combine",
        "flash_attn_func",
        "flash_attn_qkvpacked_func",
        "flash_attn_varlen_func",
        "flash_attn_with_kvcache",
        "get_scheduler_metadata",
    ],
}
SECTIONS = ["Args:", "Returns:", "Raises:", "Source:"]


def _functions() -> list[Any]:
    return [
        getattr(importlib.import_module(module), name)
        for module, names in FUNCTIONS.items()
        if importlib.util.find_spec(module) is not None
        for name in names
    ]


def _layout(name: str) -> str:
    """Functions of one layout describe a parameter alike."""
    for part, layout in (("varlen", "packed"), ("kvcache", "cache"), ("metadata", "plan")):
        if part in name:
            return layout
    return "padded"


def _parameters(doc: str) -> dict[str, str]:
    body = doc.split("Args:\n", 1)[1].split("\nReturns:", 1)[0]
    entries = re.split(r"^  (?=\w+: )", body, flags=re.M)[1:]
    return {name: " ".join(text.split()) for name, text in (e.split(": ", 1) for e in entries)}


def test_every_parameter_is_described() -> None:
    for function in _functions():
        doc = inspect.getdoc(function) or ""
        assert all(f"\n{section}\n" in doc for section in SECTIONS), function
        assert list(_parameters(doc)) == list(inspect.signature(function).parameters), function


def test_one_parameter_has_one_description() -> None:
    texts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for function in _functions():
        layout = _layout(function.__name__)
        for name, text in _parameters(inspect.getdoc(function) or "").items():
            texts[name, layout].add(text)
    different = {key: found for key, found in texts.items() if len(found) > 1}
    assert not different


@pytest.mark.parametrize("module", ["flash_attn", "flash_attn_interface"])
def test_shapes_and_dtypes_are_named(module: str) -> None:
    """The text of a tensor starts with its shape or dtype."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    for name in FUNCTIONS[module]:
        function = getattr(importlib.import_module(module), name)
        parameters = _parameters(inspect.getdoc(function) or "")
        for parameter in inspect.signature(function).parameters.values():
            if str(parameter.annotation) in ("Tensor", "Tensor | None"):
                text = parameters[parameter.name]
                assert re.match(r"\[|(fp|int)\d|Like `", text), (name, parameter.name, text)
