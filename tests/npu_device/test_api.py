"""What callers use besides the attention functions themselves, with NPU tensors."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from fa_testing.backends import Wheel
from npu_device.calls import attend, close, inputs

LOW_LEVEL = "flash_attn_interface"  # of v2, the module with what is below its public functions


@pytest.fixture
def qkv() -> tuple[list[Tensor], list[Tensor]]:
    """On the device and in host memory."""
    host = list(inputs())
    return [x.to("npu") for x in host], host


def test_combine(torch_npu: Any) -> None:
    combine = Wheel.load(3).module.flash_attn_combine
    parts, lse = torch.randn(3, 2, 20, 4, 32), torch.randn(3, 2, 20, 4)
    out, merged = combine(parts.to("npu"), lse.to("npu"), out_dtype=torch.float16)
    expected, expected_lse = combine(parts, lse, out_dtype=torch.float16)
    assert out.device.type == "npu" and close(out, expected)
    torch.testing.assert_close(merged.cpu(), expected_lse)


def test_scheduler_metadata(torch_npu: Any, qkv: tuple[list[Tensor], list[Tensor]]) -> None:
    module = Wheel.load(3).module
    lengths = torch.tensor([30, 40], dtype=torch.int32)
    shape = (2, 1, 40, 2, 2, 32, lengths.to("npu"))
    metadata = module.get_scheduler_metadata(*shape, qkv_dtype=torch.float16)
    assert metadata.device.type == "npu" and metadata.dtype == torch.int32
    results = []
    for (q, k, v), used, more in (
        (qkv[0], lengths.to("npu"), {"scheduler_metadata": metadata}),
        (qkv[1], lengths, {}),
    ):
        call = module.flash_attn_with_kvcache
        results.append(call(q[:, :1], k, v, cache_seqlens=used, **more))
    assert close(*results)


def test_low_level_forward(wheel: Wheel, qkv: tuple[list[Tensor], list[Tensor]]) -> None:
    """What megatron and others call below the public functions."""
    module = wheel.module
    results = []
    for q, k, v in qkv:
        if wheel.api == 2:
            forward = importlib.import_module(f"{module.__name__}.{LOW_LEVEL}")._flash_attn_forward
            results.append(forward(q, k, v, 0.0, 0.1, True, -1, -1, 0.0, None, False)[:2])
        else:
            forward = module._flash_attn_forward
            results.append(forward(q, k, v, softmax_scale=0.1, causal=True)[:2])
    (out, lse), (expected, expected_lse) = results
    assert close(out, expected)
    torch.testing.assert_close(lse.cpu(), expected_lse, rtol=1e-3, atol=1e-3)


def test_without_gradients(wheel: Wheel, qkv: tuple[list[Tensor], list[Tensor]]) -> None:
    expected = attend(wheel, *qkv[1])
    leaves = [x.clone().requires_grad_() for x in qkv[0]]
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            out = attend(wheel, *leaves)
        assert not out.requires_grad and close(out, expected)


def test_compiled(wheel: Wheel, qkv: tuple[list[Tensor], list[Tensor]]) -> None:
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 4):
        pytest.skip("torch.compile takes no operators with a Meta kernel alone there")
    compiled = torch.compile(lambda *x: attend(wheel, *x) * 2, backend="aot_eager", fullgraph=True)
    assert close(compiled(*qkv[0]), attend(wheel, *qkv[1]) * 2)


def test_strided_inputs_are_read_in_place(wheel: Wheel) -> None:
    """A last dimension with gaps is copied, everything else is not."""
    packed = torch.randn(2, 40, 3, 2, 64).half()
    on_device = packed.to("npu")
    expected = attend(wheel, *packed.unbind(2))
    assert close(attend(wheel, *on_device.unbind(2)), expected)
    halves = [x[..., ::2] for x in packed.unbind(2)]
    expected = attend(wheel, *halves)
    assert close(attend(wheel, *(x[..., ::2] for x in on_device.unbind(2))), expected)


def test_an_int_for_all_lengths(wheel: Wheel, qkv: tuple[list[Tensor], list[Tensor]]) -> None:
    results = []
    for q, k, v in qkv:
        results.append(wheel.module.flash_attn_with_kvcache(q[:, :1], k, v, cache_seqlens=33))
    assert close(*results)
