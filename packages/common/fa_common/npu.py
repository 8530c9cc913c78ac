"""Operators on NPU tensors, and what the native core needs from torch for them.

The operators are those of `cpu`: the core finds the back end by the device of q, and by the
environment variable FLASH_ATTN_NPU_BACKEND for tensors in host memory. Kernels go to the current
stream of torch_npu through its task queue, so they keep their place among its own operators.
Nothing waits for the device.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import cpu, schemas
from .errors import BackendUnavailable, InvalidArgument
from .wheel import native

# Atlas A2 and A3: the chips that the kernels are written for.
_SOC_PREFIXES = ("Ascend910B", "Ascend910_93")


@functools.cache
def _refusal() -> str:
    """Why this process has no back end for NPU tensors, or nothing."""
    why = dict(native.backends())["npu"]
    if why:
        return why
    soc = str(_torch_npu().npu.get_device_name())
    if not soc.startswith(_SOC_PREFIXES):
        return f"this device is {soc}; kernels are for {' and '.join(_SOC_PREFIXES)}"
    return ""


def _torch_npu() -> Any:
    """The module; whoever has an NPU tensor has imported it."""
    return sys.modules["torch_npu"]


@functools.cache
def _device_functions() -> tuple[Callable[[], int], Callable[[int], tuple[int, int, int]]]:
    """Current device; current stream of a device as (id, device, type). Neither waits."""
    native_part = _torch_npu()._C
    return native_part._npu_getDevice, native_part._npu_getCurrentStream


@functools.cache
def _has_several_devices() -> bool:
    return int(_torch_npu().npu.device_count()) > 1


def _check_one_device(names: list[str], arguments: tuple[Any, ...]) -> None:
    """The core tells an NPU from the CPU, but not one NPU from another."""
    device = arguments[0].device
    for name, x in zip(names, arguments, strict=False):
        if isinstance(x, Tensor) and x.device != device and x.device.type == "npu":
            raise InvalidArgument(
                f"{name}: got a tensor on {x.device}, expected {device} (the device of {names[0]})"
            )


@functools.cache
def is_simple() -> bool:
    """Whether `operator` does nothing but call the implementation: torch's extension device is an
    NPU, has a back end, and there is only one."""
    is_npu: bool = torch._C._get_privateuse1_backend_name() == "npu"
    return is_npu and not _refusal() and not _has_several_devices()


def operator(name: str) -> Callable[..., Any]:
    """Returns the implementation of operator `name` for NPU tensors."""
    implementation: Callable[..., Any] = getattr(cpu, name)
    names = schemas.argument_names(name)

    def call(*arguments: Any) -> Any:
        device = arguments[0].device
        if device.type != "npu":  # on the CPU, with others that are not
            return implementation(*arguments)
        why = _refusal()
        if why:
            raise BackendUnavailable(f"{name}: got NPU tensors, expected CPU tensors ({why})")
        if not _has_several_devices():
            return implementation(*arguments)
        _check_one_device(names, arguments)
        if device.index == _device_functions()[0]():
            return implementation(*arguments)
        with _torch_npu().npu.device(device):
            return implementation(*arguments)

    return call


def stream_query() -> Callable[[int], tuple[int, int, int]]:
    """Returns torch_npu's function for the current stream of a device: (id, device, type)."""
    return _device_functions()[1]


def stream_handle(device: int) -> int:
    """Handle of the current stream; known only after torch_npu's task queue has run empty."""
    return int(_torch_npu().npu.current_stream(device).npu_stream)


def workspace(tensor: Tensor, nbytes: int) -> Tensor:
    """Returns `nbytes` bytes on the device of `tensor`.

    For torch without C functions, and for what Python reads afterwards. They may be dropped when
    the call returns: torch's allocator gives memory to later work of the same stream, or keeps it
    for the graph that is being captured.
    """
    return torch.empty(nbytes, dtype=torch.uint8, device=tensor.device)


def clear_status(room: Tensor, nbytes: int) -> None:
    """Zeroes what kernels write wrong values of index tensors to."""
    room[:nbytes].zero_()


def read_status(room: Tensor, nbytes: int) -> bytes:
    """Waits for the call and returns what it wrote there."""
    return bytes(room[:nbytes].cpu().tolist())


native.set_npu_hooks(workspace, stream_query, stream_handle, clear_status, read_status)
