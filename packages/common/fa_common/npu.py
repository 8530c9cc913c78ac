"""NPU implementations of the operators: none yet, so calls with NPU tensors are refused here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .errors import BackendUnavailable


def refuse(name: str) -> Callable[..., NoReturn]:
    """Returns an implementation of operator `name` that names the reason."""

    def implementation(*_: Any) -> NoReturn:
        raise BackendUnavailable(
            f"{name}: got NPU tensors, expected CPU tensors (this build has no NPU backend)"
        )

    return implementation
