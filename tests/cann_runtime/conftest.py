"""The built runtime in this process, through ctypes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "simulator/python"))

import ascsim_runtime  # noqa: E402
from cann_runtime.acl_calls import Acl  # noqa: E402


@pytest.fixture(scope="session")
def acl() -> Acl:
    return Acl()


@pytest.fixture(autouse=True)
def _no_reports_of_others() -> None:
    ascsim_runtime.clear_reports()
