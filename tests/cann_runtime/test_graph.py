"""Capture of streams into graphs."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import ascsim_runtime
from ascsim_runtime import AclError
from cann_runtime.acl_calls import DEVICE_TO_DEVICE, Acl

STREAM_CAPTURED, NOT_CAPTURED, MODE_NOT_SUPPORT = 107027, 107029, 107030


def status(acl: Acl, stream: int) -> int:
    value = ctypes.c_int(-1)
    acl.call("aclmdlRICaptureGetInfo", stream, ctypes.byref(value), None)
    return value.value


def end(acl: Acl, stream: int) -> int:
    graph = ctypes.c_void_p()
    acl.call("aclmdlRICaptureEnd", stream, ctypes.byref(graph))
    return graph.value or 0


def test_captured_work_runs_at_replays_only(acl: Acl) -> None:
    stream, source, target = acl.stream(), acl.malloc(64), acl.malloc(64)
    acl.call("aclmdlRICaptureBegin", stream, 0)
    assert status(acl, stream) == 1
    acl.call("aclrtMemcpyAsync", target, 64, source, 64, DEVICE_TO_DEVICE, stream)
    ascsim_runtime.launch(stream, "kernel", lambda _: 0)
    graph = end(acl, stream)
    assert status(acl, stream) == 0
    for value in (1, 2):
        acl.fill(source, 64, value, stream)
        acl.synchronize(stream)
        assert (acl.to_host(target, 64) != value).all()
        acl.call("aclmdlRIExecuteAsync", graph, stream)
        acl.synchronize(stream)
        assert (acl.to_host(target, 64) == value).all()
    acl.call("aclmdlRIDestroy", graph)
    with pytest.raises(AclError, match="no such graph"):
        acl.call("aclmdlRIExecuteAsync", graph, stream)


def test_a_stream_that_waits_for_the_graph_joins_it(acl: Acl) -> None:
    main, side = acl.stream(), acl.stream()
    fork, join = acl.event(), acl.event()
    first, second = acl.malloc(64), acl.malloc(64)
    acl.call("aclmdlRICaptureBegin", main, 0)
    acl.fill(first, 64, 1, main)
    acl.call("aclrtRecordEvent", fork, main)
    acl.call("aclrtStreamWaitEvent", side, fork)
    assert status(acl, side) == 1
    acl.call("aclrtMemcpyAsync", second, 64, first, 64, DEVICE_TO_DEVICE, side)
    acl.call("aclrtRecordEvent", join, side)
    acl.call("aclrtStreamWaitEvent", main, join)
    graph = end(acl, main)
    assert status(acl, side) == 0
    acl.call("aclmdlRIExecuteAsync", graph, main)
    acl.synchronize(main)
    assert (acl.to_host(second, 64) == 1).all()


def test_what_cannot_be_captured(acl: Acl) -> None:
    stream, address, values = acl.stream(), acl.malloc(64), np.zeros(64, np.uint8)
    acl.call("aclmdlRICaptureBegin", stream, 0)
    assert acl.code("aclrtSynchronizeStream", stream) == STREAM_CAPTURED
    assert acl.code("aclmdlRICaptureBegin", stream, 0) == STREAM_CAPTURED
    copy = (address, 64, values.ctypes.data, 64, 1, stream)
    assert acl.code("aclrtMemcpyAsync", *copy) == MODE_NOT_SUPPORT
    end(acl, stream)
    graph = ctypes.c_void_p()
    assert acl.code("aclmdlRICaptureEnd", stream, ctypes.byref(graph)) == NOT_CAPTURED
