"""core_kernels/src/npu/kernel_object.h from Python: starts kernels as the host side does."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint32, c_void_p
from pathlib import Path

KERNEL_OBJECT_ABI = 8
OUTCOMES = ("launched", "invalid", "kernel defect", "failed", "unavailable")


class KernelEntry(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("dtype", c_int32),
        ("head_dim", c_int32),
        ("value_dim", c_int32),
        ("qv", c_int32),
        ("extras", c_int32),
        ("int8", c_int32),
        ("max_task_rows", c_int32),
        ("role", c_int32),
        ("workspace_per_core", c_int64),
    ]


class LaunchRequest(ctypes.Structure):
    _fields_ = [
        ("operation", c_char_p),
        ("kernel", c_char_p),
        ("args", c_void_p),
        ("args_bytes", c_int64),
        ("stream", c_void_p),
        ("buffers", c_void_p),
        ("buffer_count", c_int32),
        ("cores", c_int32),
    ]


LAUNCH = ctypes.CFUNCTYPE(c_int32, POINTER(LaunchRequest), c_char_p, c_int64)


class _Data(ctypes.Structure):
    _fields_ = [
        ("abi", c_uint32),
        ("forward_args_bytes", c_uint32),
        ("toolchain", c_char_p),
        ("kernels", POINTER(KernelEntry)),
        ("kernel_count", c_int32),
        ("wants_buffers", c_int32),
        ("cores", ctypes.CFUNCTYPE(c_int32)),
        ("launch", LAUNCH),
    ]


class KernelObject:
    """A loaded kernel object."""

    def __init__(self, path: Path) -> None:
        function = ctypes.CDLL(str(path)).fa_npu_kernel_object
        function.restype = POINTER(_Data)
        self.data = function().contents
        assert self.data.abi == KERNEL_OBJECT_ABI
        self.entries = {e.name.decode(): e for e in self.data.kernels[: self.data.kernel_count]}

    def launch(
        self, kernel: str, cores: int, args: ctypes.Structure, stream: int | None
    ) -> tuple[str, str]:
        """Starts a kernel: the outcome, and the message that comes with it."""
        message = ctypes.create_string_buffer(16384)
        request = LaunchRequest(
            b"test", kernel.encode(), ctypes.addressof(args), ctypes.sizeof(args), stream, None, 0,
            cores,
        )  # fmt: skip
        outcome = self.data.launch(ctypes.byref(request), message, len(message))
        return OUTCOMES[outcome], message.value.decode()
