"""Models of Hugging Face transformers with all weights and tensors on device="npu".

Bounds: against the same weights in fp32, at most twice the error of the model in bf16 on the CPU
with eager attention, and one rounding of the largest logit.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest
import torch
import transformers  # noqa: F401 (its absence is an error, not a reason to skip)
from torch import Tensor

import ascsim_runtime
from clients import models
from fa_testing.backends import Wheel

NAMES = ("llama", "mistral")
INTEGRATIONS = {2: "flash_attn", 3: "flash_attn_interface"}
NEW_TOKENS = 4


class Trio:
    """One model three times: in fp32 and bf16 on the CPU, eager; in bf16 on the device, ours."""

    def __init__(self, name: str, wheel: Wheel) -> None:
        package = importlib.import_module(f"{INTEGRATIONS[wheel.api]}.integrations.transformers")
        self.eager = models.make(name, torch.bfloat16)
        self.exact = copy.deepcopy(self.eager).float()
        self.ours = models.with_attention(self.eager, package.register()).to("npu")
        self.layers = self.eager.config.num_hidden_layers

    def on_cpu(self, **inputs: Any) -> tuple[Tensor, Tensor]:
        """Logits in fp32, and those of bf16."""
        return self.exact(**inputs).logits, self.eager(**inputs).logits.float()


@pytest.fixture(params=NAMES)
def trio(request: pytest.FixtureRequest, wheel: Wheel) -> Trio:
    return Trio(request.param, wheel)


def check(actual: Tensor, exact: Tensor, eager: Tensor) -> None:
    error, allowed = (actual.cpu().float() - exact).abs(), (eager - exact).abs()
    assert allowed.max() > 0
    rounding = torch.finfo(torch.bfloat16).eps * exact.abs().max()
    assert error.mean() <= 2 * allowed.mean()
    assert error.max() <= 2 * allowed.max() + rounding


@torch.no_grad()
def test_prefill(trio: Trio, npu: Any) -> None:
    ids = models.tokens(2, 23)
    with ascsim_runtime.counting() as done:
        logits = trio.ours(input_ids=ids.to("npu")).logits
        npu.synchronize()
    assert logits.device.type == "npu"
    assert done["kernel_launches"] == trio.layers
    check(logits, *trio.on_cpu(input_ids=ids))


@torch.no_grad()
@pytest.mark.parametrize("missing", [(0, 0), (4, 0)], ids=["full", "padded"])
def test_generate(trio: Trio, npu: Any, missing: tuple[int, ...]) -> None:
    """Each step's logits are compared with those of the whole sequence that was generated."""
    ids, mask = models.tokens(2, 11), models.padding(2, 11, *missing)
    with ascsim_runtime.counting() as done:
        result = trio.ours.generate(
            input_ids=ids.to("npu"),
            attention_mask=mask.to("npu"),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=None,
            output_logits=True,
            return_dict_in_generate=True,
        )
        npu.synchronize()
    assert done["kernel_launches"] == trio.layers * NEW_TOKENS
    assert {x.device.type for x in (result.sequences, *result.logits)} == {"npu"}
    logits, sequences = torch.stack([x.cpu() for x in result.logits], 1), result.sequences.cpu()
    assert torch.equal(sequences[:, 11:], logits.argmax(-1))
    whole = torch.cat([mask, mask.new_ones(2, NEW_TOKENS - 1)], 1)
    positions = (whole.cumsum(-1) - 1).clamp_min(0)
    inputs = {"attention_mask": whole, "position_ids": positions}
    on_cpu = trio.on_cpu(input_ids=sequences[:, :-1], **inputs)
    check(logits, *(x[:, 10:] for x in on_cpu))
