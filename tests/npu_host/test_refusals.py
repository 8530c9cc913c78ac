"""What the NPU back end does not support raises NotSupported by name, before anything is written;
values of index tensors in host memory are checked as for the CPU.
"""

from __future__ import annotations

import pytest
import torch

from fa_testing.backends import Wheel, call
from fa_testing.case import parse_case
from fa_testing.inputs import build_inputs
from npu_host.machine import Machine, wheels
from npu_host.supports import Refused


def test_refused(refused: Refused) -> None:
    case = parse_case(refused.line)
    wheel, inputs = wheels(case.api), build_inputs(case)
    before = inputs.k.clone(), inputs.v.clone()
    with pytest.raises(wheel.module.NotSupported) as caught:
        call(case, inputs, wheel)
    assert refused.word in str(caught.value)
    for old, new in zip(before, (inputs.k, inputs.v), strict=True):
        assert torch.equal(old.view(torch.uint8), new.view(torch.uint8))


def test_a_page_that_does_not_exist(wheel: Wheel) -> None:
    case = parse_case(f"fwd v{wheel.api}.kvcache b=2 sq=1 skv=12 dt=bf16 kv_lens=7,7 page=4")
    for bad in (-1, 99, 2**31 - 1):
        x = build_inputs(case)
        assert x.page_table is not None
        x.page_table[1, 0] = bad
        with pytest.raises(wheel.module.InvalidArgument, match=str(bad)):
            call(case, x, wheel)


@pytest.mark.parametrize("starts", [[0, 5, 3], [0, 4, 99], [-1, 4, 8]])
def test_cu_seqlens_that_do_not_fit(wheel: Wheel, starts: list[int]) -> None:
    x = torch.randn(8, 2, 16).half()
    cu = torch.tensor(starts, dtype=torch.int32)
    good = torch.tensor([0, 4, 8], dtype=torch.int32)
    for q_starts, k_starts in ((cu, good), (good, cu)):
        with pytest.raises(wheel.module.InvalidArgument, match="cu_seqlens"):
            wheel.module.flash_attn_varlen_func(x, x, x, q_starts, k_starts, 8, 8)


@pytest.mark.parametrize("cores", ["0", "25", "many", "-1"])
def test_cores_that_the_chip_does_not_have(
    wheel: Wheel, monkeypatch: pytest.MonkeyPatch, cores: str
) -> None:
    monkeypatch.setenv("FLASH_ATTN_NPU_CORES", cores)
    x = torch.randn(1, 4, 1, 16).half()
    with pytest.raises(wheel.module.InvalidArgument, match="FLASH_ATTN_NPU_CORES"):
        wheel.module.flash_attn_func(x, x, x)


@pytest.mark.parametrize("name", ["FLASH_ATTN_NPU_SIM_HAZARDS", "FLASH_ATTN_NPU_SIM_BARRIERS"])
def test_settings_of_the_simulator(
    wheel: Wheel, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "perhaps")
    x = torch.randn(1, 4, 1, 16).half()
    with pytest.raises(wheel.module.InvalidArgument, match=f"{name}: got perhaps"):
        wheel.module.flash_attn_func(x, x, x)


def test_a_kernel_defect_is_an_exception(
    wheel: Wheel, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the simulator reports names our operation, the kernel and the memory."""
    machine.use(cores=2)
    x = torch.randn(1, 40, 1, 16).half()
    y = x.clone()
    wheel.module.flash_attn_func(x, y, y.clone())
    monkeypatch.setenv("FLASH_ATTN_NPU_SIM_HIDE", "k")
    with pytest.raises(wheel.module.InternalError) as caught:
        wheel.module.flash_attn_func(x, y, y.clone())
    for part in ("attention forward", "fa_forward_fp16_d64", "simulator kernel", "gm bounds"):
        assert part in str(caught.value)
