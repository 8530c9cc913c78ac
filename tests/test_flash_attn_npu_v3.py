"""The API suite of the v3 wheel (import name flash_attn_interface).

    pytest -q -s tests/test_flash_attn_npu_v3.py

The tests are those of tests/conformance; tests/README.md says how to rerun a case.
"""

from __future__ import annotations

import pytest

from conformance.setup import parametrize, require_wheel
from fa_testing.backends import Wheel

API = 3
require_wheel(API)

from conformance.arguments import *  # noqa: E402, F403
from conformance.dropout_bits import *  # noqa: E402, F403
from conformance.generated import *  # noqa: E402, F403
from conformance.invariants import *  # noqa: E402, F403
from conformance.limits import *  # noqa: E402, F403
from conformance.mutation import *  # noqa: E402, F403
from conformance.pairs import *  # noqa: E402, F403
from conformance.refusals import *  # noqa: E402, F403


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, API)


@pytest.fixture(scope="session")
def wheel() -> Wheel:
    return Wheel.load(API)


@pytest.fixture(scope="session")
def v3_wheel(wheel: Wheel) -> Wheel:
    """Tests of what only this wheel has take this fixture."""
    return wheel
