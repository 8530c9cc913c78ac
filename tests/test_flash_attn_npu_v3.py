"""The API suite of the v3 wheel (import name flash_attn_interface).

    pytest -q -s tests/test_flash_attn_npu_v3.py
"""

from __future__ import annotations

import pytest
from conformance.generated import parametrize_cases, test_cases
from fa_testing.backends import Wheel

API = 3
pytest.importorskip("flash_attn_interface", reason="the wheel flash-attn-npu-v3 is not installed")

__all__ = ["test_cases"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_cases(metafunc, API)


@pytest.fixture(scope="session")
def wheel() -> Wheel:
    return Wheel.load(API)
