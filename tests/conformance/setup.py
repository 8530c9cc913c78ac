"""What both API suites need from pytest: the cases and the wheels."""

from __future__ import annotations

import importlib.util

import pytest

from conformance.generated import parametrize_cases
from conformance.refusals import parametrize_refusals
from fa_testing.backends import MODULES


def parametrize(metafunc: pytest.Metafunc, api: int) -> None:
    """The pytest_generate_tests hook of a suite."""
    parametrize_cases(metafunc, api)
    parametrize_refusals(metafunc, api)


def require_wheel(api: int) -> None:
    """Skips the whole suite if its wheel is not installed; an import error is not a reason."""
    if importlib.util.find_spec(MODULES[api]) is None:
        name = f"flash-attn-npu-v{api}"
        pytest.skip(f"the wheel {name} is not installed", allow_module_level=True)
