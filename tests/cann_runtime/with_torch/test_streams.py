"""Streams, events and graphs of torch_npu are the runtime's: asynchronous and in order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def test_a_side_stream_that_is_waited_for(x: Tensor, npu: Any) -> None:
    source, side = x.to("npu"), npu.Stream()
    for value in range(50):
        source.fill_(float(value))
        side.wait_stream(npu.current_stream())
        with npu.stream(side):
            result = source + 1
        npu.current_stream().wait_stream(side)
        assert torch.equal(result.cpu(), torch.full((3, 4), value + 1.0))


def test_events(x: Tensor, npu: Any) -> None:
    begin, end = (npu.Event(enable_timing=True) for _ in range(2))
    begin.record()
    x.to("npu").mul_(2)
    end.record()
    end.synchronize()
    assert begin.query() and end.query()
    assert begin.elapsed_time(end) >= 0


def test_a_graph(x: Tensor, npu: Any) -> None:
    source = x.to("npu")
    graph = npu.NPUGraph()
    with npu.graph(graph):
        result = source + 1
    for value in (1.0, 5.0):
        source.fill_(value)
        graph.replay()
        npu.synchronize()
        assert torch.equal(result.cpu(), torch.full((3, 4), value + 1))
