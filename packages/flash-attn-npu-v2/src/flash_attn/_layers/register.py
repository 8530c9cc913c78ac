"""Registers the operators of this folder with torch: like `_common.ops`, for layers.

Each has an implementation in plain PyTorch, which serves every device, and a native one for CPUs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.library import Library
from torch.nn import Parameter

from flash_attn._common.direct import undisturbed
from flash_attn._common.wheel import NAMESPACE

# What the native implementations read and write.
_NATIVE_DTYPES = frozenset((torch.float32, torch.float16, torch.bfloat16))

# Operators disappear with their Library object.
_library = Library(NAMESPACE, "FRAGMENT")


def is_native(*tensors: Tensor | None) -> bool:
    """Tells whether the native kernels take tensors: their dtype, and last dims of stride 1."""
    return all(
        x is None or (x.dtype in _NATIVE_DTYPES and (x.stride(-1) == 1 or x.shape[-1] <= 1))
        for x in tensors
    )


def define(
    schema: str, plain: Callable[..., Any], cpu: Callable[..., Any], fake: Callable[..., Any]
) -> Callable[..., Any]:
    """Registers an operator and returns it. `cpu` may hand a call on to `plain`.

    What is returned skips torch's dispatcher where that would end in `cpu` anyway, see
    `_common.direct`. Parameters count as plain tensors.
    """
    schema = " ".join(schema.split())  # the parser takes no line break before the arrow
    name = schema[: schema.index("(")]
    if "tags" in inspect.signature(Library.define).parameters:
        _library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    else:
        _library.define(schema)
    _library.impl(name, plain, "CompositeExplicitAutograd")
    _library.impl(name, cpu, "CPU")
    if hasattr(torch.library, "register_fake"):
        torch.library.register_fake(f"{NAMESPACE}::{name}", fake, lib=_library)
    else:
        _library.impl(name, fake, "Meta")
    overload: Callable[..., Any] = getattr(getattr(torch.ops, NAMESPACE), name).default

    def call(*arguments: Any) -> Any:
        tensors = [x for x in arguments if isinstance(x, Tensor) and type(x) is not Parameter]
        if undisturbed(*tensors):
            return cpu(*arguments)
        return overload(*arguments)

    return call
