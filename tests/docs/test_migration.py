"""What docs/guides/migrate.md claims and its own examples do not show."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

import flash_attn
import flash_attn_interface

PAGE = (Path(__file__).resolve().parents[2] / "docs/guides/migrate.md").read_text("utf-8")


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("argument", ["cache_batch_idx", "cache_leftpad"])
@pytest.mark.parametrize("module", [flash_attn, flash_attn_interface])
def test_cache_arguments_work_with_pages(module: Any, argument: str) -> None:
    q, pages = draw(2, 1, 2, 8), draw(4, 3, 2, 8, seed=1)
    table = {"block_table" if module is flash_attn else "page_table": int32(0, 1, 2, 3).view(2, 2)}
    value = int32(1, 0)
    out = module.flash_attn_with_kvcache(
        q, pages, pages, cache_seqlens=5, **table, **{argument: value}
    )
    rows = pages.view(2, 6, 2, 8)
    same = module.flash_attn_with_kvcache(q, rows, rows, cache_seqlens=5, **{argument: value})
    without = module.flash_attn_with_kvcache(q, rows, rows, cache_seqlens=5)
    assert torch.allclose(out, same, atol=1e-6)
    assert not torch.allclose(out, without, atol=1e-3)


@pytest.mark.parametrize("module", [flash_attn, flash_attn_interface])
def test_gradient_of_a_cache_call_is_refused(module: Any) -> None:
    q, cache = draw(1, 1, 2, 8).requires_grad_(), draw(1, 4, 2, 8)
    out = module.flash_attn_with_kvcache(q, cache, cache)
    with pytest.raises(module.NotSupported):
        out.sum().backward()


def test_rows_past_seqused_are_zero() -> None:
    x = draw(6, 2, 8)
    out = flash_attn_interface.flash_attn_varlen_func(
        x, x, x, int32(0, 6), int32(0, 6), 6, 6, seqused_q=int32(4)
    )
    assert out[:4].abs().amin(dim=(1, 2)).min() > 0
    assert not out[4:].any()


def test_empty_rows_have_the_lse_of_each_original() -> None:
    q, k = draw(1, 3, 1, 8), draw(1, 1, 1, 8)  # causal: the first two queries see nothing
    v2 = flash_attn.flash_attn_func(q, k, k, causal=True, return_attn_probs=True)
    v3 = flash_attn_interface.flash_attn_func(q, k, k, causal=True, return_attn_probs=True)
    assert v2[1][0, 0, :2].tolist() == [float("inf")] * 2
    assert v3[1][0, 0, :2].tolist() == [-float("inf")] * 2
    assert not v2[0][0, :2].any()


def test_s_dmask_is_relative_to_the_maximum_of_the_row() -> None:
    q = draw(1, 4, 1, 16)
    _, _, probs = flash_attn.flash_attn_func(q, q, q, dropout_p=0.4, return_attn_probs=True)
    scores = (q[0, :, 0] @ q[0, :, 0].T) / 4
    expected = (scores - scores.amax(1, keepdim=True)).exp()
    assert torch.allclose(probs[0, 0, :4, :4].abs(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "flash_attn.ops.fused_dense",
        "flash_attn.ops.layer_norm",
        "flash_attn.ops.activations",
        "flash_attn.models",
        "flash_attn.modules.mlp",
        "flash_attn.modules.block",
    ],
)
def test_what_is_not_there_raises_import_error(name: str) -> None:
    assert f"`{name}`" in PAGE
    with pytest.raises(ImportError):
        importlib.import_module(name)
