"""Calls of ascsim_cann.h."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from ._library import libraries

_Kernel = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
# Python functions that a stream may call later; there is no telling when it has.
_kept: list[object] = []


class AclError(RuntimeError):
    """An ACL function returned an error; `code` is its number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@cache
def _runtime() -> ctypes.CDLL:
    library = ctypes.CDLL(str(libraries() / "libascendcl.so"))
    library.ascsim_counter.restype = ctypes.c_int64
    library.ascsim_counter.argtypes = [ctypes.c_char_p]
    library.ascsim_counter_names.restype = ctypes.c_char_p
    library.ascsim_reports.restype = ctypes.c_size_t
    library.ascsim_reports.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    library.ascsim_launch.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.aclGetRecentErrMsg.restype = ctypes.c_char_p
    return library


def counters() -> dict[str, int]:
    """What happened in this process so far, by name: copies, synchronisations, launches, ..."""
    runtime = _runtime()
    names = runtime.ascsim_counter_names().split()
    return {name.decode(): runtime.ascsim_counter(name) for name in names}


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    """Yields a dict that holds, after the block, what happened inside it."""
    before = counters()
    done: dict[str, int] = {}
    yield done
    done.update({name: value - before[name] for name, value in counters().items()})


def reports() -> list[str]:
    """Faults, failed tasks, damaged guard zones and leaks that were reported so far."""
    runtime = _runtime()
    text = ctypes.create_string_buffer(runtime.ascsim_reports(None, 0))
    runtime.ascsim_reports(text, len(text))
    return text.value.decode().splitlines()


def clear_reports() -> None:
    """Forgets all reports."""
    _runtime().ascsim_clear_reports()


def check_guards() -> int:
    """Reports the live allocations behind whose end something has written; their number."""
    return int(_runtime().ascsim_check_guards())


def check_leaks() -> int:
    """Reports all live device allocations; their number."""
    return int(_runtime().ascsim_check_leaks())


def launch(
    stream: int, name: str, kernel: Callable[[int], int] | int, arguments: bytes = b""
) -> None:
    """Appends a call of `kernel` with a copy of `arguments` to a stream.

    Args:
      stream: handle (`torch.npu.Stream.npu_stream`); 0 for the default stream.
      name: for messages.
      kernel: address of a C function `int (*)(void*)`, or a Python function that gets the address
        of the copy; not 0: an ACL error.
      arguments: bytes.
    Raises:
      AclError: nothing was appended.
    """
    if callable(kernel):
        kernel = _Kernel(kernel)
        _kept.append(kernel)
        address = ctypes.cast(kernel, ctypes.c_void_p).value
    else:
        address = kernel
    runtime = _runtime()
    code = runtime.ascsim_launch(stream, name.encode(), address, arguments, len(arguments))
    if code != 0:
        raise AclError(code, (runtime.aclGetRecentErrMsg() or b"").decode())
