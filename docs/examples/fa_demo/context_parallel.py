"""Causal attention over a sequence that is spread over processes: ring and zigzag.

Each process attends to one block of keys after the other while the blocks travel around the ring.
Parts are merged by their log-sum-exp. Autograd does the rest: our log-sum-exp has a gradient, and
the way back of a block is its way in the other direction.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from flash_attn import flash_attn_func


def _shift(block: Tensor, step: int) -> Tensor:
    """Sends a block to the process `step` further on; returns what comes from the other side."""
    rank, world = dist.get_rank(), dist.get_world_size()
    received = torch.empty_like(block)
    operations = [
        dist.P2POp(dist.isend, block.contiguous(), (rank + step) % world),
        dist.P2POp(dist.irecv, received, (rank - step) % world),
    ]
    for work in dist.batch_isend_irecv(operations):
        work.wait()
    return received


class Rotate(Function):
    """Moves a block to the next process; its gradient moves back."""

    @staticmethod
    def forward(ctx: Any, block: Tensor) -> Tensor:  # noqa: ARG004
        """Returns the block of the process before this one."""
        return _shift(block, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        """Returns the gradient of the block that this process sent."""
        return _shift(gradient, -1)


class Keep(Function):
    """Returns `out`. `block` gets a gradient of zeros, so that it travels back though unused."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, block: Tensor) -> Tensor:
        """See the class."""
        ctx.shape = block.shape
        return out.view_as(out)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        return gradient, gradient.new_zeros(ctx.shape)


class Merged:
    """Attention to the keys seen so far: out [B, S, H, D] fp32 and lse [B, H, S]."""

    def __init__(self) -> None:
        self.out: Tensor | None = None
        self.lse: Tensor | None = None

    def add(self, q: Tensor, k: Tensor, v: Tensor, causal: bool, rows: slice = slice(None)) -> None:
        """Adds attention of the query rows `rows` to k and v, which no row has seen before."""
        out, lse, _ = flash_attn_func(q[:, rows], k, v, causal=causal, return_attn_probs=True)
        out = out.float()
        if self.out is None or self.lse is None:
            self.out, self.lse = out, lse
            return
        old_out, old_lse = self.out[:, rows], self.lse[:, :, rows]
        both = torch.logaddexp(old_lse, lse)
        weights = ((x - both).exp().transpose(1, 2)[..., None] for x in (old_lse, lse))
        old, new = weights
        merged = old * old_out + new * out
        first = rows.start or 0  # `rows` is the end of the sequence
        self.out = torch.cat([self.out[:, :first], merged], 1)
        self.lse = torch.cat([self.lse[:, :, :first], both], 2)


def cut(x: Tensor, zigzag: bool) -> Tensor:
    """What this process holds of x [B, S, ...]: a piece, or one each from the front and the back.

    With pieces of the front and the back, all processes have the same number of visible keys.
    """
    rank, world = dist.get_rank(), dist.get_world_size()
    if not zigzag:
        return x.chunk(world, 1)[rank].contiguous()
    pieces = x.chunk(2 * world, 1)
    return torch.cat([pieces[rank], pieces[2 * world - 1 - rank]], 1)


def attention(q: Tensor, k: Tensor, v: Tensor, zigzag: bool) -> Tensor:
    """Causal attention of what this process holds to what all hold, differentiable."""
    rank, world = dist.get_rank(), dist.get_world_size()
    result, half = Merged(), q.shape[1] // 2
    block = torch.stack([k, v])
    for step in range(world):
        if step > 0:
            block = Rotate.apply(block)
        keys, values = block.unbind(0)
        if step == 0:  # in a zigzag, the second half sees the first, so both are causal at once
            result.add(q, keys, values, causal=True)
        elif (rank - step) % world < rank:  # from a process before this one
            seen = slice(0, half) if zigzag else slice(None)
            result.add(q, keys[:, seen], values[:, seen], causal=False)
        elif zigzag:  # from one behind: only our piece of the back sees it, and all of it
            result.add(q, keys, values, causal=False, rows=slice(half, None))
    assert result.out is not None
    out: Tensor = Keep.apply(result.out, block)
    return out.to(q.dtype)
