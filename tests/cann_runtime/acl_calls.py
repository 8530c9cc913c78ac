"""ACL functions through ctypes, as the tests call them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ascsim_runtime

PROGRAMS = Path(__file__).resolve().parent / "programs"
HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE = 1, 2, 3


class Acl:
    """Calls by name; an error becomes an exception with its number."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(str(ascsim_runtime.libraries() / "libascendcl.so"))
        self.library.aclGetRecentErrMsg.restype = ctypes.c_char_p
        self.call("aclInit", None)
        self.call("aclrtSetDevice", 0)

    def code(self, name: str, *arguments: Any) -> int:
        """What the function returns; Python integers are passed in 64 bits."""
        wide = [ctypes.c_int64(a) if isinstance(a, int) else a for a in arguments]
        return int(getattr(self.library, name)(*wide))

    def call(self, name: str, *arguments: Any) -> None:
        code = self.code(name, *arguments)
        if code != 0:
            raise ascsim_runtime.AclError(code, self.library.aclGetRecentErrMsg().decode())

    def handle(self, name: str, *arguments: Any) -> int:
        """The handle that a function creates in its first argument."""
        value = ctypes.c_void_p()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value or 0

    def number(self, name: str, *arguments: Any) -> int:
        """The integer that a function writes to its last argument."""
        value = ctypes.c_int64(0)
        self.call(name, *arguments, ctypes.byref(value))
        return value.value

    def malloc(self, size: int) -> int:
        return self.handle("aclrtMalloc", size, 0)

    def stream(self) -> int:
        return self.handle("aclrtCreateStream")

    def event(self) -> int:
        return self.handle("aclrtCreateEvent")

    def to_device(self, values: NDArray[Any]) -> int:
        address = self.malloc(values.nbytes)
        self.call(
            "aclrtMemcpy", address, values.nbytes, values.ctypes.data, values.nbytes, HOST_TO_DEVICE
        )
        return address

    def to_host(self, address: int, count: int, dtype: Any = np.uint8) -> NDArray[Any]:
        values = np.empty(count, dtype)
        size = values.nbytes
        self.call("aclrtMemcpy", values.ctypes.data, size, address, size, DEVICE_TO_HOST)
        return values

    def fill(self, address: int, size: int, value: int, stream: int) -> None:
        self.call("aclrtMemsetAsync", address, size, value, size, stream)

    def synchronize(self, stream: int) -> None:
        self.call("aclrtSynchronizeStream", stream)


def run_program(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of `programs` in the runtime's environment."""
    environment = {**os.environ, **ascsim_runtime.environment(), **variables}
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).resolve().parents[1])
    command = [sys.executable, str(PROGRAMS / name), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
