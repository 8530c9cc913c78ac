"""The API suite of the v2 wheel (import name flash_attn).

    pytest -q -s tests/test_flash_attn_npu.py
"""

from __future__ import annotations

import pytest
from conformance.generated import parametrize_cases, test_cases
from fa_testing.backends import Wheel

API = 2
pytest.importorskip("flash_attn", reason="the wheel flash-attn-npu-v2 is not installed")

__all__ = ["test_cases"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_cases(metafunc, API)


@pytest.fixture(scope="session")
def wheel() -> Wheel:
    return Wheel.load(API)
