"""Memory and addresses at sizes that the generated cases do not reach."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fa_testing.backends import MODULES, Wheel

MEMORY_LIMIT_MB = 200
MEMORY_SCRIPT = Path(__file__).with_name("peak_memory.py")
TOKENS = 16_000_000
HEADS, DIM = 2, 128
USED = 40  # keys at the far end that a test attends to
# Not in Python's mmap module before 3.13.
MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)


@pytest.mark.once
@pytest.mark.slow
def test_extra_memory_of_a_long_sequence(wheel: Wheel) -> None:
    """Forward and backward at S = 32768, one head, D = 128 need less than 200 MB."""
    command = [sys.executable, str(MEMORY_SCRIPT), MODULES[wheel.api]]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    print(ran.stdout.splitlines()[-1])
    # One S x S matrix of bytes would be 1024 MB, results and gradients alone are 64 MB.
    assert 64 < float(ran.stdout.split()[-1]) < MEMORY_LIMIT_MB


def lazy_zeros(*shape: int) -> Tensor:
    """fp16 zeros of which only the touched pages exist, so they may exceed the memory."""
    size = 2 * torch.Size(shape).numel()
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    try:
        space = mmap.mmap(-1, size, flags=flags)
    except (OSError, ValueError) as error:
        pytest.skip(f"no {size >> 30} GiB of address space: {error}")
    return torch.frombuffer(space, dtype=torch.float16).view(shape)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).half()


@pytest.fixture(scope="module")
def cache() -> Tensor:
    """[1, 16 million, 2, 128]: 4.1 * 10^9 elements, with data in the last rows only."""
    cache = lazy_zeros(1, TOKENS, HEADS, DIM)
    assert cache.numel() > 2**31
    cache[:, -USED:] = normal(1, USED, HEADS, DIM, seed=1)
    return cache


def last_keys(wheel: Wheel, q: Tensor, cache: Tensor, pages: Tensor | None = None) -> Tensor:
    more = {} if pages is None else {"block_table" if wheel.api == 2 else "page_table": pages}
    out: Tensor = wheel.module.flash_attn_with_kvcache(
        q,
        cache,
        cache,
        cache_seqlens=torch.tensor([TOKENS], dtype=torch.int32),
        cache_leftpad=torch.tensor([TOKENS - USED], dtype=torch.int32),
        num_splits=1,
        causal=True,
        **more,
    )
    return out


@pytest.mark.once
@pytest.mark.slow
def test_tokens_beyond_32_bit_offsets(wheel: Wheel, cache: Tensor) -> None:
    q = normal(1, 3, 2 * HEADS, DIM, seed=2)
    near = cache[:, -USED:].contiguous()
    expected = wheel.module.flash_attn_with_kvcache(q, near, near, causal=True, num_splits=1)
    assert torch.equal(last_keys(wheel, q, cache), expected)


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("page", [1, 64])
def test_pages_beyond_32_bit_offsets(wheel: Wheel, cache: Tensor, page: int) -> None:
    q = normal(1, 3, 2 * HEADS, DIM, seed=3)
    pages = torch.arange(TOKENS // page, dtype=torch.int32)[None]
    paged = cache.view(TOKENS // page, page, HEADS, DIM)
    assert torch.equal(last_keys(wheel, q, paged, pages), last_keys(wheel, q, cache))


@pytest.mark.once
@pytest.mark.slow
def test_append_beyond_32_bit_offsets(wheel: Wheel) -> None:
    """A new key lands at its token, not at that address modulo 2^32."""
    k_cache, v_cache = (lazy_zeros(1, TOKENS, 1, DIM + 16) for _ in range(2))
    at = TOKENS - 1000
    k, v = normal(1, 2, 1, DIM + 16, seed=4), normal(1, 2, 1, DIM + 16, seed=5)
    at_tensor = torch.tensor([at], dtype=torch.int32)
    out = wheel.module.flash_attn_with_kvcache(
        k, k_cache, v_cache, k, v, cache_seqlens=at_tensor, cache_leftpad=at_tensor
    )
    assert at * (DIM + 16) > 2**31
    for cache, new in ((k_cache, k), (v_cache, v)):
        assert torch.equal(cache[:, at : at + 2], new)
        wrapped = (at * (DIM + 16)) % 2**31 // (DIM + 16)
        assert bool((cache[:, wrapped - 4 : wrapped + 4] == 0).all())
    assert torch.equal(out, wheel.module.flash_attn_func(k, k, v))


@pytest.mark.once
@pytest.mark.slow
def test_heads_beyond_32_bit_offsets(wheel: Wheel) -> None:
    """Strides of more than 2^31 elements, forward and backward."""
    far = 2**31 + 24
    x = lazy_zeros(2 * far + 4096).as_strided((1, 7, 3, 16), (64, 16, far, 1))
    near = normal(1, 7, 3, 16, seed=6)
    x.copy_(near)
    results = []
    for source in (x, near):
        leaf = source.detach().requires_grad_()
        out = wheel.module.flash_attn_func(leaf, leaf, leaf, causal=True)
        results.append((out, *torch.autograd.grad(out, leaf, near)))
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)
