"""Calls inside NPUGraph: captured once, replayed with other values."""

from __future__ import annotations

from typing import Any

import torch

from fa_testing.backends import Wheel
from npu_device.calls import attend, close, inputs


def test_attention(wheel: Wheel, npu: Any) -> None:
    q, k, v = (x.to("npu") for x in inputs())
    attend(wheel, q, k, v)
    graph = npu.NPUGraph()
    with npu.graph(graph):
        out = attend(wheel, q, k, v) * 2
    for seed in range(4):
        fresh = inputs(seed)
        for old, new in zip((q, k, v), fresh, strict=True):
            old.copy_(new)
        graph.replay()
        npu.synchronize()
        assert close(out, attend(wheel, *fresh) * 2)


def test_decoding(wheel: Wheel, npu: Any) -> None:
    """A step appends to the cache; its length lives on the device."""
    q, k, v = inputs(tokens=6)
    host = torch.zeros(2, 64, 2, 32).half(), torch.zeros(2, 64, 2, 32).half()
    cache = tuple(x.to("npu") for x in host)
    lengths = torch.zeros(2, dtype=torch.int32)
    fixed = [x[:, :1].contiguous().to("npu") for x in (q, k, v)]
    on_device = lengths.to("npu")
    step = wheel.module.flash_attn_with_kvcache

    def captured() -> torch.Tensor:
        query, *new = fixed
        out: torch.Tensor = step(query, *cache, *new, cache_seqlens=on_device, causal=True)
        on_device.add_(1)
        return out

    captured()
    on_device.zero_()
    graph = npu.NPUGraph()
    with npu.graph(graph):
        out = captured()
    on_device.zero_()
    for token in range(6):
        now = [x[:, token : token + 1].contiguous() for x in (q, k, v)]
        for old, new in zip(fixed, now, strict=True):
            old.copy_(new)
        graph.replay()
        npu.synchronize()
        expected = step(now[0], *host, *now[1:], cache_seqlens=lengths + token, causal=True)
        assert close(out, expected)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(cache, host, strict=True))
