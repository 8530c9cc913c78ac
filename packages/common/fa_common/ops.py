"""Registers the operators of this wheel with torch and hands out their overloads.

`Library.define` and `impl` exist since torch 2.1; what came later (tags, `register_fake`) is used
where it exists, so that the operators at least run eagerly everywhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.library import Library

from . import cpu, fakes, npu, schemas
from .wheel import NAMESPACE

# Operators disappear with their Library object.
_library = Library(NAMESPACE, "DEF")


def _define(schema: str) -> Callable[..., Any]:
    schema = " ".join(schema.split())  # the parser takes no line break before the arrow
    name = schema[: schema.index("(")]
    if "tags" in inspect.signature(Library.define).parameters:
        _library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    else:
        _library.define(schema)
    _library.impl(name, getattr(cpu, name), "CPU")
    _library.impl(name, npu.operator(name), "PrivateUse1")
    if hasattr(torch.library, "register_fake"):
        torch.library.register_fake(f"{NAMESPACE}::{name}", getattr(fakes, name), lib=_library)
    else:
        _library.impl(name, getattr(fakes, name), "Meta")
    overload: Callable[..., Any] = getattr(getattr(torch.ops, NAMESPACE), name).default
    return overload


def register_autograd(name: str, kernel: Callable[..., Any]) -> None:
    """Makes `kernel` decide what is recorded when operator `name` is called."""
    _library.impl(name, kernel, "Autograd")


forward_dense = _define(schemas.FORWARD_DENSE)
forward = _define(schemas.FORWARD)
forward_kvcache = _define(schemas.FORWARD_KVCACHE)
forward_kvcache_append = _define(schemas.FORWARD_KVCACHE_APPEND)
backward = _define(schemas.BACKWARD)
backward_into = _define(schemas.BACKWARD_INTO)
combine = _define(schemas.COMBINE)
scheduler_metadata = _define(schemas.SCHEDULER_METADATA)
