"""The patch of transformers' NPU path, on the machine's CPU: which functions a model would get."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

PACKAGES = ("flash_attn", "flash_attn_interface")
NAMES = ("flash_attn_func", "flash_attn_varlen_func", "flash_attn_with_kvcache")


@pytest.fixture
def utils(monkeypatch: pytest.MonkeyPatch) -> Any:
    """transformers before its first model, on what it takes for an NPU."""
    module = importlib.import_module("transformers.modeling_flash_attention_utils")
    monkeypatch.setattr(module, "_loaded_implementation", None, raising=False)
    monkeypatch.setattr(module, "is_torch_npu_available", lambda: True)
    return module


@pytest.mark.parametrize("package", PACKAGES)
def test_models_get_our_functions(package: str, utils: Any) -> None:
    ours = importlib.import_module(package)
    integration = importlib.import_module(f"{package}.integrations.transformers")
    npu = importlib.import_module("transformers.integrations.npu_flash_attention")
    before = npu.npu_flash_attn_func
    undo = integration.patch_npu_path()
    try:
        dense, varlen, *_ = utils._lazy_imports("flash_attention_2")
        assert dense is ours.flash_attn_func
        assert varlen is ours.flash_attn_varlen_func
        process = utils._lazy_define_process_function(varlen)
        options = process(5, 9, True, sliding_window=4, softcap=2.0, s_aux=torch.zeros(2))
        # What its own functions do not have: they would leave the window out.
        assert options["window_size"] in ((3, 3), (4, 4))
        assert options["softcap"] == 2.0
        if hasattr(utils, "_flash_api_alternative_names"):  # transformers 5
            assert "learnable_sink" in options
    finally:
        undo()
    assert npu.npu_flash_attn_func is before


def test_too_late(utils: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(utils, "_loaded_implementation"):
        pytest.skip("this transformers does not remember what it loaded")
    monkeypatch.setattr(utils, "_loaded_implementation", "flash_attention_2")
    integration = importlib.import_module("flash_attn.integrations.transformers")
    with pytest.raises(NotImplementedError, match="before the first model"):
        integration.patch_npu_path()
