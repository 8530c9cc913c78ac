"""Workspaces in host memory are not shared."""

from __future__ import annotations

import importlib

import torch

from fa_testing.backends import MODULES, Wheel


def test_host_memory_is_not_shared(wheel: Wheel) -> None:
    """Calls of several threads run side by side there."""
    npu = importlib.import_module(f"{MODULES[wheel.api]}._common.npu")
    x = torch.empty(1)
    first = npu.workspace(x, 100)
    assert (first.device, first.dtype, first.numel()) == (x.device, torch.uint8, 100)
    assert npu.workspace(x, 100) is not first
