"""torch_npu, the wheels, and what the simulator checks meanwhile."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from npu_host.generated import all_runs

from fa_testing.backends import Wheel

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "simulator/python"))
CASES = 150  # generated, of both wheels


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "api" in metafunc.fixturenames:
        metafunc.parametrize("api", [2, 3], ids=["v2", "v3"])
    if "case" in metafunc.fixturenames:
        cases = [run.case for api in (2, 3) for run in all_runs(api, CASES // 2)[: CASES // 2]]
        ids = [f"v{case.api}-{i % (CASES // 2)}" for i, case in enumerate(cases)]
        metafunc.parametrize("case", cases, ids=ids)


@pytest.fixture(scope="session")
def torch_npu() -> Any:
    return importlib.import_module("torch_npu")


@pytest.fixture
def npu(torch_npu: Any) -> Any:
    """The module torch.npu."""
    return torch_npu.npu


@pytest.fixture
def wheel(api: int, torch_npu: Any) -> Wheel:
    """A wheel that has kernels for NPUs; anything else is an error, not a reason to skip."""
    wheel = Wheel.load(api, "npu")
    state = dict(wheel.native.backends())["npu"]
    assert not state, f"the v{api} wheel has no NPU back end: {state}"
    return wheel


@pytest.fixture(autouse=True)
def _checks(monkeypatch: pytest.MonkeyPatch, torch_npu: Any) -> Iterator[None]:
    """Hazard checks are on, and nothing writes outside of device memory or fails unnoticed."""
    import ascsim_runtime

    monkeypatch.setenv("FLASH_ATTN_NPU_SIM_HAZARDS", "1")
    ascsim_runtime.clear_reports()
    yield
    torch_npu.npu.synchronize()
    assert ascsim_runtime.check_guards() == 0
    assert ascsim_runtime.reports() == []
