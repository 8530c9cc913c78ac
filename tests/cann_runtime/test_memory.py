"""Device and pinned memory: sizes, limits, guard zones, faults, leaks."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import ascsim_runtime
from ascsim_runtime import AclError
from cann_runtime.acl_calls import (
    DEVICE_TO_DEVICE,
    DEVICE_TO_HOST,
    HOST_TO_DEVICE,
    Acl,
    run_program,
)

MEMORY_ALLOCATION, MEMORY_FREE, MEMORY_ERROR, INVALID = 207001, 207002, 507053, 107000


def test_fresh_memory_is_no_number(acl: Acl) -> None:
    address = acl.malloc(64)
    assert np.isnan(acl.to_host(address, 16, np.float32)).all()
    assert np.isnan(acl.to_host(address, 32, np.float16)).all()
    acl.call("aclrtFree", address)


def test_round_trip(acl: Acl) -> None:
    values = np.arange(1000, dtype=np.int32)
    address = acl.to_device(values)
    assert address % 512 == 0
    assert (acl.to_host(address, 1000, np.int32) == values).all()
    acl.call("aclrtFree", address)


def test_free_memory_is_counted(acl: Acl) -> None:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    acl.call("aclrtGetMemInfo", 1, ctypes.byref(free), ctypes.byref(total))
    before = free.value
    assert total.value == 8 << 30
    address = acl.malloc(1 << 20)
    acl.call("aclrtGetMemInfo", 1, ctypes.byref(free), ctypes.byref(total))
    assert before - free.value == 1 << 20
    acl.call("aclrtFree", address)
    acl.call("aclrtGetMemInfo", 1, ctypes.byref(free), ctypes.byref(total))
    assert free.value == before


def test_more_than_there_is(acl: Acl) -> None:
    with pytest.raises(AclError, match="out of memory: 9663676416 bytes wanted") as error:
        acl.malloc(9 << 30)
    assert error.value.code == MEMORY_ALLOCATION


def test_freed_twice(acl: Acl) -> None:
    address = acl.malloc(100)
    acl.call("aclrtFree", address)
    with pytest.raises(AclError, match="of 100 bytes, which was freed") as error:
        acl.call("aclrtFree", address)
    assert error.value.code == MEMORY_FREE


def test_freed_as_what_it_is_not(acl: Acl) -> None:
    pinned = acl.handle("aclrtMallocHost", 100)
    with pytest.raises(AclError, match="cannot free as device memory: byte 0 of pinned"):
        acl.call("aclrtFree", pinned)
    acl.call("aclrtFreeHost", pinned)


@pytest.mark.parametrize("offset", [0, 60])
def test_copy_beyond_the_end(acl: Acl, offset: int) -> None:
    address, source = acl.malloc(64), np.zeros(128, np.uint8)
    with pytest.raises(AclError, match=f"write of 65 bytes at byte {offset} of") as error:
        acl.call("aclrtMemcpy", address + offset, 65, source.ctypes.data, 65, HOST_TO_DEVICE)
    assert error.value.code == MEMORY_ERROR
    with pytest.raises(AclError, match="read of 65 bytes"):
        acl.call("aclrtMemcpy", source.ctypes.data, 65, address + offset, 65, DEVICE_TO_HOST)
    acl.call("aclrtMemcpy", address, 64, source.ctypes.data, 64, HOST_TO_DEVICE)
    acl.call("aclrtFree", address)


def test_more_bytes_than_room(acl: Acl) -> None:
    address, source = acl.malloc(64), np.zeros(64, np.uint8)
    with pytest.raises(AclError, match="copy of 64 bytes to room for 32") as error:
        acl.call("aclrtMemcpy", address, 32, source.ctypes.data, 64, HOST_TO_DEVICE)
    assert error.value.code == INVALID
    acl.call("aclrtFree", address)


def test_copy_of_freed_memory(acl: Acl) -> None:
    address, other = acl.malloc(64), acl.malloc(64)
    acl.call("aclrtFree", address)
    with pytest.raises(AclError, match=r"byte 0 of device allocation .*, which was freed"):
        acl.call("aclrtMemcpy", other, 64, address, 64, DEVICE_TO_DEVICE)
    acl.call("aclrtFree", other)


def test_host_memory_is_no_device_memory(acl: Acl) -> None:
    address, values = acl.malloc(64), np.zeros(64, np.uint8)
    with pytest.raises(AclError, match="not memory of the runtime"):
        acl.call("aclrtMemcpy", address, 64, values.ctypes.data, 64, DEVICE_TO_DEVICE)
    acl.call("aclrtFree", address)


@pytest.mark.parametrize("behind", [0, 511])
def test_damaged_guard_zone(acl: Acl, behind: int) -> None:
    address = acl.malloc(100)
    ctypes.memset(address + 100 + behind, 1, 1)  # a kernel would
    assert ascsim_runtime.check_guards() == 1
    assert f"wrote {behind} bytes behind device allocation" in ascsim_runtime.reports()[-1]
    assert ascsim_runtime.check_guards() == 0  # reported once
    ctypes.memset(address + 100 + behind, 1, 1)
    acl.call("aclrtFree", address)
    assert "found when it was freed" in ascsim_runtime.reports()[-1]


def test_guard_zones_of_a_correct_program(acl: Acl) -> None:
    address = acl.malloc(100)
    ctypes.memset(address, 1, 100)
    assert ascsim_runtime.check_guards() == 0
    acl.call("aclrtFree", address)
    assert ascsim_runtime.reports() == []


def test_leaks(acl: Acl) -> None:
    others = ascsim_runtime.check_leaks()
    address = acl.malloc(4321)
    assert ascsim_runtime.check_leaks() == others + 1
    expected = "of 4321 bytes on device 0"
    assert any(report.endswith(expected) for report in ascsim_runtime.reports())
    acl.call("aclrtFree", address)
    assert ascsim_runtime.check_leaks() == others


def test_leaks_at_the_end_of_a_process() -> None:
    leaking = run_program("leak.py", "leak", ASCSIM_LEAKS="1")
    assert "leak: device allocation #1 of 777 bytes on device 0" in leaking.stderr
    assert "leak:" not in run_program("leak.py", "free", ASCSIM_LEAKS="1").stderr
    assert "leak:" not in run_program("leak.py", "leak").stderr


def test_kinds_of_memory(acl: Acl) -> None:
    class Attributes(ctypes.Structure):
        _fields_ = (
            ("id", ctypes.c_uint32),
            ("type", ctypes.c_uint32),
            ("rest", ctypes.c_char * 20),
        )

    def kind(address: int) -> int:
        attributes = Attributes()
        acl.call("aclrtPointerGetAttributes", address, ctypes.byref(attributes))
        return int(attributes.type)

    device, pinned = acl.malloc(10), acl.handle("aclrtMallocHost", 10)
    values = np.zeros(10, np.uint8)
    assert (kind(device), kind(pinned), kind(values.ctypes.data)) == (1, 0, 2)
    acl.call("aclrtHostRegisterV2", values.ctypes.data, 10, 0)
    assert kind(values.ctypes.data + 9) == 0
    acl.call("aclrtHostUnregister", values.ctypes.data)
    assert kind(values.ctypes.data) == 2
    acl.call("aclrtFree", device)
    acl.call("aclrtFreeHost", pinned)
