"""Calls go to the current stream, in order with torch_npu's own work, and nothing waits."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ascsim_runtime
from fa_testing.backends import Wheel
from npu_device.calls import attend, close, inputs, run_program

SCHEDULES = ("async", "late")


def test_a_side_stream(wheel: Wheel, npu: Any) -> None:
    q, k, v = inputs()
    on_device, side = [x.to("npu") for x in (q, k, v)], npu.Stream()
    side.wait_stream(npu.current_stream())
    with npu.stream(side):
        out = attend(wheel, *on_device)
    npu.current_stream().wait_stream(side)
    assert close(out, attend(wheel, q, k, v))


def test_an_event_after_the_call_comes_after_it(wheel: Wheel, npu: Any) -> None:
    host, event = inputs(), npu.Event()
    on_device = [x.to("npu") for x in host]
    room = torch.empty_like(host[0]).pin_memory()
    room.copy_(attend(wheel, *on_device), non_blocking=True)
    event.record()
    event.synchronize()
    assert event.query() and close(room, attend(wheel, *host))


def test_memory_of_a_side_stream_is_kept(wheel: Wheel, npu: Any) -> None:
    """A tensor that dies while a side stream still reads it, after record_stream."""
    host, side = inputs(), npu.Stream()
    expected = attend(wheel, *host)
    for _ in range(20):
        q, k, v = (x.to("npu") for x in host)
        side.wait_stream(npu.current_stream())
        with npu.stream(side):
            out = attend(wheel, q, k, v)
        for x in (q, k, v):
            x.record_stream(side)
        del q, k, v, x
        spoiled = [torch.full_like(out, float("nan")) for _ in range(6)]
        npu.current_stream().wait_stream(side)
        assert close(out, expected)
        del spoiled


def test_no_call_waits_or_allocates(wheel: Wheel, npu: Any) -> None:
    q, k, v = (x.to("npu") for x in inputs())
    lengths = torch.tensor([30, 40], dtype=torch.int32).to("npu")
    table = torch.arange(6, dtype=torch.int32).view(2, 3).to("npu")
    pages = torch.randn(6, 16, 2, 32).half().to("npu")
    name = {2: "block_table", 3: "page_table"}[wheel.api]

    def calls() -> None:
        attend(wheel, q, k, v)
        cache = {"cache_seqlens": lengths, name: table}
        wheel.module.flash_attn_with_kvcache(q[:, :1], pages, pages, **cache)
        new = k[:, :1], v[:, :1]
        wheel.module.flash_attn_with_kvcache(q[:, :1], k, v, *new, cache_seqlens=lengths - 10)
        splits = {"cache_seqlens": lengths, "num_splits": 2}
        wheel.module.flash_attn_with_kvcache(q[:, :1], k, v, **splits)

    for _ in range(3):  # memory of torch's allocator, the handle of the stream
        calls()
        npu.synchronize()
    with ascsim_runtime.counting() as done:
        for _ in range(5):
            calls()
    waits = {counter: n for counter, n in done.items() if "synchronisations" in counter}
    assert set(waits.values()) == {0}, waits
    for counter in ("allocations", "host_allocations", "device_to_host", "host_to_device"):
        assert done[counter] == 0, counter
    npu.synchronize()
    with ascsim_runtime.counting() as done:
        calls()
        npu.synchronize()
    assert done["kernel_launches"] == 6


@pytest.mark.process
@pytest.mark.parametrize("queue", ["0", "1", "2"])
def test_order_with_queued_operators(api: int, queue: str) -> None:
    """Operators of torch_npu before and after ours, its queue being slow."""
    text = run_program("order.py", str(api), TASK_QUEUE_ENABLE=queue, ASCSIM_HOST_DELAY_US="3000")
    print(text)
    assert "wrong: 0 of 10" in text


@pytest.mark.process
def test_a_missing_wait_shows(api: int) -> None:
    """Each time, where streams are late; with the wait it is right."""
    for program, wrong in (("omitted", "wrong: 20 of 20"), ("right", "wrong: 0 of 20")):
        text = run_program("side_stream.py", str(api), program, "20", ASCSIM_SCHEDULE="late")
        assert wrong in text


@pytest.mark.once
@pytest.mark.process
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_correct_program_is_always_right(api: int, schedule: str) -> None:
    text = run_program("side_stream.py", str(api), "right", "1000", ASCSIM_SCHEDULE=schedule)
    assert "wrong: 0 of 1000" in text
