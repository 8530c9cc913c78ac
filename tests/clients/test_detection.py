"""With the marker package, clients that look for a distribution find ours."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import pytest
import torch

from api.support import normal

try:
    importlib.metadata.version("flash-attn-npu-compat")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("flash-attn-npu-compat is not installed", allow_module_level=True)


def test_transformers() -> None:
    pytest.importorskip("transformers")
    utils: Any = importlib.import_module("transformers.modeling_flash_attention_utils")
    if not hasattr(utils, "FLASH_ATTENTION_COMPATIBILITY_MATRIX"):
        pytest.skip("this transformers asks for versions only")
    for generation in (2, 3):
        check = utils.FLASH_ATTENTION_COMPATIBILITY_MATRIX[generation]["pkg_availability_check"]
        assert check()


def test_diffusers() -> None:
    """It finds both, and its backend for flash-attn 2 computes on CPU tensors."""
    pytest.importorskip("diffusers")
    utils: Any = importlib.import_module("diffusers.utils.import_utils")
    assert utils.is_flash_attn_available()
    assert utils.is_flash_attn_version(">=", "2.6.3")
    assert utils.is_flash_attn_3_available()
    dispatch: Any = importlib.import_module("diffusers.models.attention_dispatch")
    q, k, v = normal(2, 9, 4, 16), normal(2, 7, 4, 16), normal(2, 7, 4, 16, seed=1)
    results = []
    for backend in ("flash", "native"):
        with dispatch.attention_backend(backend):
            results.append(dispatch.dispatch_attention_fn(q, k, v))
    assert torch.allclose(results[0], results[1], atol=1e-6)
