"""Functions of the program on a stream: arguments, order, failures, faults."""

from __future__ import annotations

import ctypes
import struct

import pytest

import ascsim_runtime
from ascsim_runtime import AclError
from cann_runtime.acl_calls import Acl

AICORE_EXCEPTION = 507015


def test_arguments_are_copied(acl: Acl) -> None:
    stream, seen = acl.stream(), []

    def kernel(address: int) -> int:
        seen.append((address % 16, struct.unpack("<qd", ctypes.string_at(address, 16))))
        return 0

    for number in range(3):
        ascsim_runtime.launch(stream, "kernel", kernel, struct.pack("<qd", number, 0.5))
    acl.synchronize(stream)
    assert seen == [(0, (number, 0.5)) for number in range(3)]


def test_kernel_and_copies_are_in_order(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(64)

    def increment(_: int) -> int:
        for i in range(64):
            byte = ctypes.c_uint8.from_address(address + i)
            byte.value += 1
        return 0

    for start in (10, 20, 30):
        acl.fill(address, 64, start, stream)
        ascsim_runtime.launch(stream, "increment", increment)
    acl.synchronize(stream)
    assert (acl.to_host(address, 64) == 31).all()
    acl.call("aclrtFree", address)


def test_host_functions(acl: Acl) -> None:
    stream, seen = acl.stream(), []
    callback_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    callback = callback_type(lambda data: seen.append(data))
    acl.call("aclrtLaunchHostFunc", stream, callback, 5)
    acl.call("aclrtLaunchCallback", callback, 6, 1, stream)
    acl.synchronize(stream)
    assert seen == [5, 6]


def test_failure_is_returned_once_by_the_next_synchronisation(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(64)
    ascsim_runtime.launch(stream, "broken_kernel", lambda _: 507011)
    acl.fill(address, 64, 4, stream)
    with pytest.raises(AclError, match=r"broken_kernel on stream .* returned 507011") as error:
        acl.synchronize(stream)
    assert error.value.code == 507011
    acl.synchronize(stream)
    assert (acl.to_host(address, 64) == 4).all()  # the default: go on after a failure
    acl.call("aclrtFree", address)


def test_stop_on_failure(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(64)
    acl.call("aclrtSetStreamFailureMode", stream, 1)
    acl.fill(address, 64, 1, stream)
    ascsim_runtime.launch(stream, "broken_kernel", lambda _: 507011)
    acl.fill(address, 64, 2, stream)
    with pytest.raises(AclError):
        acl.synchronize(stream)
    assert (acl.to_host(address, 64) == 1).all()
    acl.fill(address, 64, 3, stream)
    acl.synchronize(stream)
    assert (acl.to_host(address, 64) == 3).all()
    acl.call("aclrtFree", address)


def test_failure_stays_on_its_stream(acl: Acl) -> None:
    broken, other = acl.stream(), acl.stream()
    ascsim_runtime.launch(broken, "broken_kernel", lambda _: 1)
    acl.synchronize(other)
    with pytest.raises(AclError):
        acl.call("aclrtSynchronizeDevice")
    acl.call("aclrtSynchronizeDevice")


def memory_function(name: str) -> int:
    """Address of a function of the C library, which faults in C and not in Python."""
    return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0


def test_use_after_free_is_an_error(acl: Acl) -> None:
    stream, address = acl.stream(), acl.malloc(4096)
    acl.call("aclrtFree", address)
    # strlen(arguments) reads the copy of the arguments; strlen(address) would be the fault, so the
    # launch gets a function that takes the address itself.
    acl.call("aclrtLaunchHostFunc", stream, ctypes.c_void_p(memory_function("strlen")), address)
    with pytest.raises(
        AclError, match=r"access to byte 0 of .* 4096 bytes, which was freed"
    ) as error:
        acl.synchronize(stream)
    assert error.value.code == AICORE_EXCEPTION
    acl.synchronize(stream)


@pytest.mark.parametrize("size", [4096, 100])
def test_read_far_behind_the_end_is_an_error(acl: Acl, size: int) -> None:
    stream, address = acl.stream(), acl.malloc(size)
    acl.call("aclrtMemset", address, size, 1, size)
    acl.call("aclrtLaunchHostFunc", stream, ctypes.c_void_p(memory_function("strlen")), address)
    with pytest.raises(AclError, match=f"bytes behind device allocation #.* of {size} bytes"):
        acl.synchronize(stream)
    acl.call("aclrtFree", address)


def test_null_pointers_are_refused(acl: Acl) -> None:
    with pytest.raises(AclError, match="ascsim_launch: null pointer"):
        ascsim_runtime.launch(0, "nothing", 0)
    with pytest.raises(AclError, match="aclrtLaunchHostFunc: null pointer"):
        acl.call("aclrtLaunchHostFunc", 0, None, None)


def test_allocation_of_an_address(acl: Acl) -> None:
    address = acl.malloc(1000)
    base, size = ctypes.c_void_p(), ctypes.c_size_t()
    found = acl.code("ascsim_allocation", address + 999, ctypes.byref(base), ctypes.byref(size))
    assert (found, base.value, size.value) == (1, address, 1000)
    assert (
        acl.code("ascsim_allocation", address + 1000, ctypes.byref(base), ctypes.byref(size)) == 0
    )
    acl.call("aclrtFree", address)
