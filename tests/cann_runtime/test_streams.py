"""Streams and events: order, asynchrony, schedules, queries, timeouts."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from threading import Event

import numpy as np
import pytest

import ascsim_runtime
from ascsim_runtime import AclError
from cann_runtime.acl_calls import DEVICE_TO_DEVICE, Acl, run_program

INVALID_HANDLE, STREAM_TIMEOUT, EVENT_TIMEOUT = 107017, 507046, 507047
TIMESTAMP_INVALID, EVENT_NOT_COMPLETE = 107006, 507006
BYTES = 1 << 16
REPETITIONS = 1000


def gate() -> tuple[Event, Callable[[int], int]]:
    """A task that waits until the test opens it."""
    opened = Event()

    def task(_: int) -> int:
        opened.wait(20)
        return 0

    return opened, task


def test_work_is_done_later_and_in_order(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(BYTES)
    opened, task = gate()
    ascsim_runtime.launch(stream, "gate", task)
    for value in range(10):
        acl.fill(address, BYTES, value, stream)
    assert acl.number("aclrtStreamQuery", stream) == 1
    assert acl.to_host(address, 1)[0] == 0xFF
    opened.set()
    acl.synchronize(stream)
    assert acl.number("aclrtStreamQuery", stream) == 0
    assert (acl.to_host(address, BYTES) == 9).all()
    acl.call("aclrtDestroyStream", stream)
    acl.call("aclrtFree", address)


def test_streams_do_not_wait_for_each_other(acl: Acl) -> None:
    blocked, free, address = acl.stream(), acl.stream(), acl.malloc(BYTES)
    opened, task = gate()
    ascsim_runtime.launch(blocked, "gate", task)
    acl.fill(address, BYTES, 1, free)
    acl.synchronize(free)
    assert acl.number("aclrtStreamQuery", blocked) == 1
    opened.set()
    acl.call("aclrtSynchronizeDevice")
    assert acl.number("aclrtStreamQuery", blocked) == 0


def test_event_orders_streams(acl: Acl) -> None:
    first, second, event = acl.stream(), acl.stream(), acl.event()
    source, target = acl.malloc(BYTES), acl.malloc(BYTES)
    opened, task = gate()
    ascsim_runtime.launch(first, "gate", task)
    acl.fill(source, BYTES, 7, first)
    acl.call("aclrtRecordEvent", event, first)
    acl.call("aclrtStreamWaitEvent", second, event)
    acl.call("aclrtMemcpyAsync", target, BYTES, source, BYTES, DEVICE_TO_DEVICE, second)
    assert acl.number("aclrtQueryEventStatus", event) == 0
    assert acl.code("aclrtSynchronizeStreamWithTimeout", second, 20) == STREAM_TIMEOUT
    opened.set()
    acl.synchronize(second)
    assert acl.number("aclrtQueryEventStatus", event) == 1
    assert (acl.to_host(target, BYTES) == 7).all()


def test_wait_is_for_the_record_before_it(acl: Acl) -> None:
    first, second, event = acl.stream(), acl.stream(), acl.event()
    acl.call("aclrtStreamWaitEvent", second, event)  # never recorded: nothing to wait for
    acl.synchronize(second)
    acl.call("aclrtRecordEvent", event, first)
    acl.synchronize(first)
    acl.call("aclrtStreamWaitEvent", second, event)
    opened, task = gate()
    ascsim_runtime.launch(first, "gate", task)
    acl.call("aclrtRecordEvent", event, first)
    acl.synchronize(second)
    assert acl.code("aclrtSynchronizeEventWithTimeout", event, 20) == EVENT_TIMEOUT
    opened.set()
    acl.call("aclrtSynchronizeEvent", event)


def test_event_outlives_its_handle(acl: Acl) -> None:
    first, second, event = acl.stream(), acl.stream(), acl.event()
    opened, task = gate()
    ascsim_runtime.launch(first, "gate", task)
    acl.call("aclrtRecordEvent", event, first)
    acl.call("aclrtStreamWaitEvent", second, event)
    acl.call("aclrtDestroyEvent", event)
    opened.set()
    acl.synchronize(second)
    assert acl.code("aclrtDestroyEvent", event) == INVALID_HANDLE


def test_destroyed_stream_did_its_work(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(BYTES)
    acl.fill(address, BYTES, 3, stream)
    acl.call("aclrtDestroyStream", stream)
    assert (acl.to_host(address, BYTES) == 3).all()
    with pytest.raises(AclError, match="aclrtSynchronizeStream: no such stream"):
        acl.synchronize(stream)


def test_elapsed_time(acl: Acl) -> None:
    stream, start, end = acl.stream(), acl.event(), acl.event()
    elapsed = ctypes.c_float()
    assert acl.code("aclrtEventElapsedTime", ctypes.byref(elapsed), start, end) == TIMESTAMP_INVALID
    opened, task = gate()
    acl.call("aclrtRecordEvent", start, stream)
    ascsim_runtime.launch(stream, "gate", task)
    acl.call("aclrtRecordEvent", end, stream)
    code = acl.code("aclrtEventElapsedTime", ctypes.byref(elapsed), start, end)
    assert code == EVENT_NOT_COMPLETE
    time.sleep(0.02)
    opened.set()
    acl.synchronize(stream)
    acl.call("aclrtEventElapsedTime", ctypes.byref(elapsed), start, end)
    assert 0 < elapsed.value < 20_000


def test_pageable_copies_wait_pinned_do_not(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(BYTES)
    pageable, pinned = np.zeros(BYTES, np.uint8), acl.handle("aclrtMallocHost", BYTES)
    opened, task = gate()
    ascsim_runtime.launch(stream, "gate", task)
    acl.fill(address, BYTES, 5, stream)
    acl.call("aclrtMemcpyAsync", pinned, BYTES, address, BYTES, 2, stream)
    assert ctypes.string_at(pinned, 1) != b"\x05"
    opened.set()
    acl.call("aclrtMemcpyAsync", pageable.ctypes.data, BYTES, address, BYTES, 2, stream)
    assert (pageable == 5).all()
    assert ctypes.string_at(pinned, BYTES) == b"\x05" * BYTES


@pytest.mark.parametrize("schedule", ["async", "late"])
def test_correct_program_is_always_right(schedule: str) -> None:
    """Two streams pass a buffer to and fro with events."""
    done = run_program("side_stream.py", "ordered", str(REPETITIONS), ASCSIM_SCHEDULE=schedule)
    assert (done.returncode, done.stdout) == (0, f"wrong: 0 of {REPETITIONS}\n"), done.stderr


@pytest.mark.parametrize("omitted", ["produced", "consumed", "host"])
def test_a_missing_synchronisation_always_shows(omitted: str) -> None:
    done = run_program("side_stream.py", omitted, "100", ASCSIM_SCHEDULE="late")
    assert done.stdout == "wrong: 100 of 100\n", done.stderr
    done = run_program("side_stream.py", omitted, "100", ASCSIM_SCHEDULE="sync")
    assert done.stdout == "wrong: 0 of 100\n", done.stderr


def test_a_missing_synchronisation_shows_with_delays() -> None:
    done = run_program("side_stream.py", "host", "20", ASCSIM_TASK_DELAY_US="2000")
    assert done.stdout == "wrong: 20 of 20\n", done.stderr


def test_counters(acl: Acl) -> None:
    stream, event, address = acl.stream(), acl.event(), acl.malloc(64)
    with ascsim_runtime.counting() as done:
        acl.fill(address, 64, 0, stream)
        acl.call("aclrtRecordEvent", event, stream)
        acl.call("aclrtStreamWaitEvent", stream, event)
        acl.synchronize(stream)
        acl.call("aclrtSynchronizeEvent", event)
        acl.to_host(address, 64)
        acl.call("aclrtFree", acl.to_device(np.zeros(3)))
    assert {name: count for name, count in done.items() if count} == {
        "allocations": 1,
        "frees": 1,
        "host_to_device": 1,
        "device_to_host": 1,
        "memsets": 1,
        "stream_synchronisations": 1,
        "event_synchronisations": 1,
        "event_records": 1,
        "event_waits": 1,
    }
