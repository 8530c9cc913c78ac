"""Collective operations with gradients, and how sizes are split over ranks."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from flash_attn._common.errors import InvalidArgument

__all__ = [
    "AllGatherFunc",
    "AllReduceFunc",
    "ReduceScatterFunc",
    "all_gather",
    "all_gather_raw",
    "all_reduce",
    "all_reduce_raw",
    "allreduce_sequence_parallel_grad",
    "get_dim_for_local_rank",
    "reduce_scatter",
    "reduce_scatter_raw",
    "sync_shared_params",
]


def all_gather_raw(
    input_: Tensor, process_group: Any, async_op: bool = False
) -> tuple[Tensor, Any]:
    """Joins the tensors of all ranks in the first dimension; no gradient.

    Returns:
      ([ranks * N, ...], handle to wait for or None).
    """
    ranks = dist.get_world_size(process_group)
    output = input_.new_empty((ranks * input_.shape[0], *input_.shape[1:]))
    handle = dist.all_gather_into_tensor(
        output, input_.contiguous(), group=process_group, async_op=async_op
    )
    return output, handle


def reduce_scatter_raw(
    input_: Tensor, process_group: Any, async_op: bool = False
) -> tuple[Tensor, Any]:
    """Sums the tensors of all ranks and keeps the own part of the first dimension; no gradient.

    Returns:
      ([N / ranks, ...], handle to wait for or None).
    """
    ranks = dist.get_world_size(process_group)
    if input_.shape[0] % ranks:
        raise InvalidArgument(
            f"input_: got {input_.shape[0]} rows, expected a multiple of {ranks} (the ranks)"
        )
    output = input_.new_empty((input_.shape[0] // ranks, *input_.shape[1:]))
    handle = dist.reduce_scatter_tensor(
        output, input_.contiguous(), group=process_group, async_op=async_op
    )
    return output, handle


def all_reduce_raw(
    input_: Tensor, process_group: Any, async_op: bool = False
) -> tuple[Tensor, Any]:
    """Sums the tensors of all ranks, in place if the input is contiguous; no gradient.

    Returns:
      (the sum, handle to wait for or None).
    """
    input_ = input_.contiguous()
    return input_, dist.all_reduce(input_, group=process_group, async_op=async_op)


class AllGatherFunc(Function):
    """`all_gather_raw` with gradient."""

    @staticmethod
    def forward(ctx: Any, input_: Tensor, process_group: Any) -> Tensor:
        """See the class."""
        ctx.process_group = process_group
        return all_gather_raw(input_, process_group)[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        """The own part of the sum over ranks."""
        return reduce_scatter_raw(grad_output, ctx.process_group)[0], None


class ReduceScatterFunc(Function):
    """`reduce_scatter_raw` with gradient."""

    @staticmethod
    def forward(ctx: Any, input_: Tensor, process_group: Any) -> Tensor:
        """See the class."""
        ctx.process_group = process_group
        return reduce_scatter_raw(input_, process_group)[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        """The gradients of all ranks."""
        return all_gather_raw(grad_output, ctx.process_group)[0], None


class AllReduceFunc(Function):
    """`all_reduce_raw` with gradient; the input keeps its values."""

    @staticmethod
    def forward(ctx: Any, input_: Tensor, process_group: Any) -> Tensor:  # noqa: ARG004
        """See the class."""
        return all_reduce_raw(input_.clone(), process_group)[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # noqa: ARG004
        """The gradient as it is: every rank computes the same from the sum."""
        return grad_output, None


all_gather = AllGatherFunc.apply
reduce_scatter = ReduceScatterFunc.apply
all_reduce = AllReduceFunc.apply


def _marked(model: torch.nn.Module, mark: str) -> list[Any]:
    """Parameters with an attribute, by name, as ranks may have different numbers of others."""
    named = {n: p for n, p in model.named_parameters() if getattr(p, mark, False)}
    return [parameter for _, parameter in sorted(named.items())]


def sync_shared_params(model: torch.nn.Module, process_group: Any) -> None:
    """Gives every rank the parameters with `_shared_params` of the first rank."""
    source = dist.get_global_rank(process_group, 0)
    with torch.no_grad():
        for parameter in _marked(model, "_shared_params"):
            dist.broadcast(parameter, src=source, group=process_group)


def allreduce_sequence_parallel_grad(model: torch.nn.Module, process_group: Any) -> None:
    """Sums the gradients of parameters with `_sequence_parallel` over ranks, as one tensor."""
    grads = [p.grad for p in _marked(model, "_sequence_parallel")]
    if not grads:
        return
    with torch.no_grad():
        joined = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(joined, group=process_group)
        for grad, part in zip(grads, joined.split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))


def get_dim_for_local_rank(dim: int, world_size: int, local_rank: int, multiple_of: int = 1) -> int:
    """Part of `dim` that a rank has; the first ranks have one `multiple_of` more if need be."""
    whole, rest = divmod(dim // multiple_of, world_size)
    return (whole + (local_rank < rest)) * multiple_of
