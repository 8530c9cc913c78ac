"""The column of the feature table about NPUs says what happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fa_testing.backends import Wheel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from features import FEATURES, NPU_FORWARD, Feature, plain

FUNCTIONS = {"func": "func", "varlen": "varlen_func", "kvcache": "with_kvcache"}
OF_ANY_DTYPE = {"alibi_slopes", "learnable_sink", "q_descale", "k_descale", "v_descale"}


def arguments_of(feature: Feature, api: int) -> dict[str, Any]:
    """Those of the table's call, in fp16 unless the line is about a dtype."""
    change = feature.change(api)
    assert change is not None
    given = change(plain(feature.function))
    if feature.name == "fp32":
        return given
    return {
        name: value.half()
        if isinstance(value, Tensor) and value.dtype is torch.float32 and name not in OF_ANY_DTYPE
        else value
        for name, value in given.items()
    }


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_feature(feature: Feature, wheel: Wheel) -> None:
    if feature.change(wheel.api) is None:
        return
    function = getattr(wheel.module, f"flash_attn_{FUNCTIONS[feature.function]}")
    arguments = arguments_of(feature, wheel.api)
    if NPU_FORWARD.get(feature.name) == "-":
        with pytest.raises(wheel.module.NotSupported):
            function(**arguments)
    else:
        returned = function(**arguments)
        out = returned[0] if isinstance(returned, tuple) else returned
        assert out.isfinite().all()
        assert wheel.native.last_plan()["backend"] == "npu"


def test_every_line_is_about_a_feature() -> None:
    assert set(NPU_FORWARD) <= {feature.name for feature in FEATURES}
