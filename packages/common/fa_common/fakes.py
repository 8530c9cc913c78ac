"""Fake implementations: shapes, dtypes and strides of the outputs without computing them.

They check only what an allocation needs, and the devices: a call that mixes devices with meta
tensors lands here, and must not come back with memory that nobody has written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import allocate, cpu
from .errors import InvalidArgument


def _check_devices(arguments: dict[str, Any]) -> None:
    first, q = next(iter(arguments.items()))
    for name, value in arguments.items():
        # The random state is read by the host and stays on the CPU.
        if isinstance(value, Tensor) and value.device != q.device and name != "rng_state":
            raise InvalidArgument(
                f"{name}: got a tensor on {value.device}, "
                f"expected {q.device} (the device of {first})"
            )


def _fake_of(real: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets a fake name the few arguments it needs out of the many positional ones."""
    names = tuple(inspect.signature(real).parameters)

    def decorate(fake: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            arguments = dict(zip(names, args, strict=False))
            _check_devices(arguments)
            return fake(**arguments)

        return call

    return decorate


@_fake_of(cpu.forward_dense)
def forward_dense(q: Tensor, v: Tensor, **_: Any) -> Any:
    """Fake of `cpu.forward_dense`."""
    return allocate.attention_outputs(q, v, False)


@_fake_of(cpu.attend)
def forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor | None = None,
    max_seqlen_q: int = -1,
    max_seqlen_k: int = -1,
    return_probs: bool = False,
    **_: Any,
) -> Any:
    """Fake of `cpu.forward`."""
    out, lse = allocate.attention_outputs(q, v, cu_seqlens_q is not None)
    if not return_probs:
        return out, lse, q.new_empty(0)
    return out, lse, allocate.dropout_probs(q, k, cu_seqlens_q, max_seqlen_q, max_seqlen_k)


def _kvcache(
    q: Tensor,
    v_cache: Tensor,
    cu_seqlens_q: Tensor | None = None,
    num_splits: int = 0,
    return_partials: bool = False,
    **_: Any,
) -> Any:
    out, lse = allocate.attention_outputs(q, v_cache, cu_seqlens_q is not None)
    out_accum, lse_accum = allocate.split_partials(out, num_splits if return_partials else 0)
    if out_accum is None or lse_accum is None:
        out_accum, lse_accum = (out.new_empty(0, dtype=torch.float32) for _ in range(2))
    return out, lse, out_accum, lse_accum


forward_kvcache = _fake_of(cpu.forward_kvcache)(_kvcache)
forward_kvcache_append = _fake_of(cpu.attend_kvcache)(_kvcache)


@_fake_of(cpu.backward)
def backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    packing: int = allocate.SEPARATE,
    learnable_sink: Tensor | None = None,
    qv: Tensor | None = None,
    **_: Any,
) -> Any:
    """Fake of `cpu.backward`."""
    results = allocate.input_gradients(q, k, v, packing).results
    return *results, *allocate.extra_gradients(q, qv, learnable_sink)


@_fake_of(cpu.backward_into)
def backward_into(q: Tensor, lse: Tensor, cu_seqlens_q: Tensor | None = None, **_: Any) -> Any:
    """Fake of `cpu.backward_into`."""
    return allocate.softmax_d(q, lse, cu_seqlens_q)


@_fake_of(cpu.combine)
def combine(out_partial: Tensor, **_: Any) -> Any:
    """Fake of `cpu.combine`."""
    return allocate.combined_lse(out_partial)


def scheduler_metadata(cache_seqlens: Tensor, *arguments: Any) -> Any:
    """Fake of `cpu.scheduler_metadata`: the length of a plan follows from the same arguments."""
    length = len(cpu.plan_values(*arguments))
    return cache_seqlens.new_empty(length, dtype=torch.int32)
