"""What is wrong is said by name, in time, and leaves the rest of the process alone."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import ascsim_runtime
from fa_testing.backends import MODULES, Wheel
from npu_device.calls import attend, close, inputs, run_program


@pytest.mark.parametrize("on_cpu", [0, 1, 2])
def test_tensors_on_cpu_and_npu(wheel: Wheel, on_cpu: int) -> None:
    mixed = [x if i == on_cpu else x.to("npu") for i, x in enumerate(inputs())]
    with pytest.raises(wheel.module.InvalidArgument, match="the device of q"):
        attend(wheel, *mixed)


@pytest.mark.once
@pytest.mark.process
def test_tensors_on_two_npus(api: int) -> None:
    text = run_program("two_devices.py", str(api), ASCSIM_DEVICES="2")
    assert "same device: right" in text
    assert "InvalidArgument k: got a tensor on npu:1, expected npu:0 (the device of q)" in text


@pytest.mark.once
@pytest.mark.process
def test_another_chip(api: int) -> None:
    text = run_program("one_call.py", str(api), ASCSIM_SOC="Ascend310P3", ASCSIM_CORES="8")
    assert "BackendUnavailable" in text
    assert "Ascend310P3" in text and "Ascend910B" in text


@pytest.mark.once
@pytest.mark.process
def test_a_wheel_without_kernels(api: int, tmp_path: Path) -> None:
    package = Path(str(importlib.import_module(MODULES[api]).__file__)).parent
    without = shutil.ignore_patterns("_npu_kernels", "__pycache__")
    shutil.copytree(package, tmp_path / package.name, ignore=without)
    text = run_program("one_call.py", str(api), FIRST_PATH=str(tmp_path))
    assert "BackendUnavailable" in text and "this build has no NPU kernels" in text


@pytest.mark.once
@pytest.mark.process
def test_the_cpu_back_end_takes_no_npu_tensors(api: int) -> None:
    text = run_program("one_call.py", str(api), FLASH_ATTN_NPU_BACKEND="cpu")
    assert "BackendUnavailable" in text and "FLASH_ATTN_NPU_BACKEND is cpu" in text


def test_gradients_are_refused_by_name(wheel: Wheel) -> None:
    q, k, v = (x.to("npu").requires_grad_() for x in inputs())
    out = attend(wheel, q, k, v)
    with pytest.raises(wheel.module.NotSupported, match="backward: the back end npu has none yet"):
        out.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_dtypes_are_refused_before_queueing(wheel: Wheel, npu: Any, dtype: torch.dtype) -> None:
    tensors = [x.to(dtype).to("npu") for x in inputs()]
    npu.synchronize()
    with ascsim_runtime.counting() as done:
        with pytest.raises(wheel.module.FlashAttnError, match=str(dtype)[6:]):
            attend(wheel, *tensors)
        npu.synchronize()
    assert done["kernel_launches"] == 0


def test_a_wrong_page_in_debug_mode(wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASH_ATTN_NPU_DEBUG", "1")
    name = {2: "block_table", 3: "page_table"}[wheel.api]
    q, pages = inputs()[0].to("npu"), torch.randn(6, 16, 2, 32).half().to("npu")
    table = torch.tensor([[0, 1, 2], [3, 6, 5]], dtype=torch.int32).to("npu")
    lengths = torch.tensor([48, 40], dtype=torch.int32).to("npu")
    before = attend(wheel, q, q, q)
    with pytest.raises(wheel.module.InvalidArgument) as caught:
        wheel.module.flash_attn_with_kvcache(
            q, pages, pages, cache_seqlens=lengths, **{name: table}
        )
    expected = "attention forward: the device found page_table, a page: got 6 at entry 1"
    assert str(caught.value).startswith(expected)
    host = inputs()[0]
    assert close(before, attend(wheel, host, host, host))


@pytest.mark.process
@pytest.mark.parametrize("queue", ["0", "1"])
def test_a_launch_that_fails(api: int, queue: str) -> None:
    """The kernel does not know one of its buffers, so the simulator stops it."""
    text = run_program("failing.py", str(api), FLASH_ATTN_NPU_SIM_HIDE="k", TASK_QUEUE_ENABLE=queue)
    print(text)
    assert "before: right" in text
    assert "RuntimeError" in text and "attention forward" in text


@pytest.mark.process
@pytest.mark.parametrize("queue", ["0", "1"])
def test_a_freed_tensor(api: int, queue: str) -> None:
    text = run_program("freed.py", str(api), TASK_QUEUE_ENABLE=queue)
    print(text)
    assert "before: right" in text
    assert "RuntimeError" in text and "attention forward" in text
