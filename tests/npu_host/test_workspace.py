"""The workspace is kept per device and stream, and grows on demand."""

from __future__ import annotations

import importlib

import pytest
import torch

from fa_testing.backends import MODULES, Wheel


def test_kept_and_grown(wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    npu = importlib.import_module(f"{MODULES[wheel.api]}._common.npu")
    stream = 7
    monkeypatch.setattr(npu, "current_stream", lambda _: stream)
    monkeypatch.setattr(npu, "_workspaces", {})
    x = torch.empty(1, device="meta")
    first = npu.workspace(x, 100)
    assert (first.device, first.dtype) == (x.device, torch.uint8)
    assert npu.workspace(x, 60) is first
    larger = npu.workspace(x, 101)
    assert larger.numel() >= 101
    assert npu.workspace(x, 100) is larger
    stream = 8
    assert npu.workspace(x, 100) is not larger


def test_host_memory_is_not_shared(wheel: Wheel) -> None:
    """Calls of several threads run side by side there."""
    npu = importlib.import_module(f"{MODULES[wheel.api]}._common.npu")
    x = torch.empty(1)
    assert npu.workspace(x, 100) is not npu.workspace(x, 100)


def test_streams_of_devices_are_not_there_yet(wheel: Wheel) -> None:
    npu = importlib.import_module(f"{MODULES[wheel.api]}._common.npu")
    assert npu.current_stream(torch.empty(1)) == 0
    with pytest.raises(wheel.module.BackendUnavailable, match="streams of torch_npu"):
        npu.current_stream(torch.empty(1, device="meta"))
