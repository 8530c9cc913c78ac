"""Clients that need other hardware to run: they import, and call us in the shapes that they have.

The projects are not always installed; each test names what it needs.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from api.support import normal, reference


@pytest.fixture
def megatron() -> Any:
    pytest.importorskip("megatron.core")
    return importlib.import_module("megatron.core.transformer.attention")


def test_xformers() -> None:
    pytest.importorskip("xformers", exc_type=ImportError)
    importlib.import_module("xformers.ops")
    flash = importlib.import_module("xformers.ops.fmha.flash")
    flash3 = importlib.import_module("xformers.ops.fmha.flash3")
    assert flash.FLASH_VERSION == "2.8.3"
    assert flash3._flash_attention3_incompatible_reason() is None
    assert flash3._C_flashattention3 is torch.ops.flash_attn_3


def test_megatron_takes_the_third_generation(megatron: Any) -> None:
    assert megatron.HAVE_FA3
    assert megatron.flash_attn3_with_kvcache.__module__.startswith("flash_attn_interface")


def test_megatron_static_decoding(megatron: Any) -> None:
    """`flash_decode`: tokens before batch, rotation, append and attention in one call."""
    batch, memory, heads, dim = 2, 12, 2, 16
    q, k, v = (normal(1, batch, n, dim, seed=i) for i, n in enumerate((4, heads, heads)))
    keys, values = normal(memory, batch, heads, dim), normal(memory, batch, heads, dim, seed=1)
    before = keys.clone(), values.clone()
    offset = torch.tensor([5, 9], dtype=torch.int32)
    angles = normal(memory, dim // 2)
    out = megatron.Attention.flash_decode(
        None, offset, q, k, v, keys, values, angles.cos(), angles.sin(), False
    )
    assert out.shape == (batch, 1, 4, dim)
    for i, length in enumerate(offset.tolist()):
        cos, sin = angles[length].cos(), angles[length].sin()

        def turn(x: torch.Tensor, cos: Any = cos, sin: Any = sin) -> torch.Tensor:
            a, b = x.chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        assert torch.allclose(keys[length, i], turn(k[0, i]), atol=1e-6)
        assert torch.equal(keys[:length, i], before[0][:length, i])
        seen = keys[None, : length + 1, i], values[None, : length + 1, i]
        alone, _ = reference(turn(q[0, i])[None, None], *seen)
        assert torch.allclose(out[i], alone[0], atol=1e-5)


@pytest.mark.parametrize("invariant", [False, True])
def test_megatron_dynamic_batching(megatron: Any, invariant: bool) -> None:
    """Its wrapper of `_flash_attn_forward`, which reads our signature."""
    pages = normal(6, 4, 2, 16), normal(6, 4, 2, 16, seed=1)
    table = torch.tensor([[3, 0, 5], [1, 4, 2]], dtype=torch.int32)
    lengths = torch.tensor([9, 6], dtype=torch.int32)
    starts = torch.tensor([0, 3, 4], dtype=torch.int32)
    q = normal(4, 4, 16)
    this: Any = SimpleNamespace(batch_invariant_mode=invariant)
    out = megatron.Attention._flash_attention_3_forward_wrapper(
        *(this, q, *pages, 3, 12, starts, lengths, table, 0.25)
    )
    for i, rows in enumerate((slice(0, 3), slice(3, 4))):
        keys, values = (p[table[i].long()].flatten(0, 1)[None, : lengths[i]] for p in pages)
        alone, _ = reference(q[None, rows], keys, values, causal=True)  # 0.25 = 16**-0.5
        assert torch.allclose(out[rows], alone[0], atol=1e-5)
