"""torch and the installed torch_npu, on the runtime that the session's environment names."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

torch_npu = importlib.import_module("torch_npu")


@pytest.fixture
def x() -> torch.Tensor:
    return torch.arange(12.0).view(3, 4)


@pytest.fixture
def npu() -> Any:
    """The module torch.npu."""
    return torch_npu.npu
