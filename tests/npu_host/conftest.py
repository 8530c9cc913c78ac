"""These tests run where FLASH_ATTN_NPU_BACKEND=npu sends host memory to simulated kernels."""

from __future__ import annotations

import os

import pytest

from fa_testing.backends import Wheel
from npu_host.generated import OPTION, USUAL_CASES, parametrize_cases
from npu_host.machine import Machine, wheels
from npu_host.supports import REFUSED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        OPTION, type=int, default=USUAL_CASES, help=f"cases of both wheels (default: {USUAL_CASES})"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("FLASH_ATTN_NPU_BACKEND") == "npu":
        return
    for item in items:
        if "npu_host" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="FLASH_ATTN_NPU_BACKEND is not npu"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize_cases(metafunc)
    if "refused" in metafunc.fixturenames:
        metafunc.parametrize("refused", REFUSED, ids=[r.line for r in REFUSED])
    if "api" in metafunc.fixturenames:
        metafunc.parametrize("api", [2, 3], ids=["v2", "v3"])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def wheel(api: int) -> Wheel:
    return wheels(api)
