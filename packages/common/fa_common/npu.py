"""Operators on NPU tensors, and what the native core needs from torch for them.

The operators are those of `cpu`: the core finds the back end by the device of q, and by the
environment variable FLASH_ATTN_NPU_BACKEND for tensors in host memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import cpu
from .errors import BackendUnavailable
from .wheel import native


@functools.cache
def _refusal() -> str:
    """Why this process has no back end for NPU tensors, or nothing."""
    return dict(native.backends())["npu"]


def operator(name: str) -> Callable[..., Any]:
    """Returns the implementation of operator `name` for NPU tensors."""
    implementation: Callable[..., Any] = getattr(cpu, name)

    def call(*arguments: Any) -> Any:
        why = _refusal()
        if why:
            raise BackendUnavailable(f"{name}: got NPU tensors, expected CPU tensors ({why})")
        return implementation(*arguments)

    return call


# By device and stream: calls of one stream follow each other, so they share their memory.
_workspaces: dict[tuple[torch.device, int], Tensor] = {}


def current_stream(tensor: Tensor) -> int:
    """Handle of the stream that work with `tensor` goes to; 0 in host memory, where it is done at
    once. The way to torch_npu's streams is not there yet."""
    if tensor.is_cpu:
        return 0
    raise BackendUnavailable(
        f"attention: got tensors on {tensor.device}, expected CPU tensors "
        "(this version has no way to the streams of torch_npu)"
    )


def workspace(tensor: Tensor, nbytes: int) -> Tensor:
    """Returns at least `nbytes` bytes on the device of `tensor`, kept for later calls."""
    if tensor.is_cpu:  # simulated kernels of several threads must not share it
        return torch.empty(nbytes, dtype=torch.uint8)
    key = tensor.device, current_stream(tensor)
    kept = _workspaces.get(key)
    if kept is None or kept.numel() < nbytes:
        kept = torch.empty(nbytes, dtype=torch.uint8, device=tensor.device)
        _workspaces[key] = kept
    return kept


def clear_status(room: Tensor, begin: int, nbytes: int) -> None:
    """Zeroes what kernels write wrong values of index tensors to."""
    room[begin : begin + nbytes].zero_()


def read_status(room: Tensor, begin: int, nbytes: int) -> bytes:
    """Waits for the call and returns what it wrote there."""
    return bytes(room[begin : begin + nbytes].cpu().tolist())


native.set_npu_hooks(workspace, current_stream, clear_status, read_status)
