"""One process of test_context_parallel: `python -m clients.torch_ring_worker BALANCED RANK FILE`.

torch's ring attention with our functions as the attention that it repeats. It has no public way to
name one: its table holds torch's CUDA operators. The loop itself takes any function.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor.experimental._context_parallel import _attention as ring

from flash_attn import flash_attn_func
from flash_attn.flash_attn_interface import _flash_attn_backward, _flash_attn_forward

WORLD, TOKENS, DIM = 2, 64, 32
SCALE = DIM**-0.5
OPTIONS = (-1, -1, 0.0, None)  # window, softcap, alibi_slopes


def forward(q: Tensor, k: Tensor, v: Tensor, is_causal: bool, **_: Any) -> tuple[Tensor, ...]:
    """Heads before tokens, as torch has them: out, lse."""
    views = (x.transpose(1, 2) for x in (q, k, v))
    out, lse, *_ = _flash_attn_forward(*views, 0.0, SCALE, is_causal, *OPTIONS, False)
    return out.transpose(1, 2), lse


def backward(
    grad_out: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    logsumexp: Tensor,
    is_causal: bool,
    **_: Any,
) -> tuple[Tensor, ...]:
    """Gradients of query, key and value from out and lse of the whole sequence."""
    tensors = [x.transpose(1, 2) for x in (grad_out, query, key, value, out)]
    gradients = [torch.empty_like(x) for x in tensors[1:4]]
    lse = logsumexp.contiguous()
    _flash_attn_backward(*tensors, lse, *gradients, 0.0, SCALE, is_causal, *OPTIONS, True)
    return tuple(x.transpose(1, 2) for x in gradients)


def cut(x: Tensor, rank: int, balanced: bool) -> Tensor:
    """What a process holds of x [B, H, S, D]."""
    if not balanced:
        return x.chunk(WORLD, 2)[rank].contiguous()
    pieces = x.chunk(2 * WORLD, 2)
    return torch.cat([pieces[rank], pieces[2 * WORLD - 1 - rank]], 2)


def main(balanced: bool, rank: int, file: str) -> None:
    """Compares with attention in one process."""
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=WORLD)
    options: Any = ring._cp_options
    options.enable_load_balance = balanced
    ring.set_rotate_method("alltoall")
    torch.manual_seed(0)
    q, k, v, dout = (torch.randn(1, 4, TOKENS, DIM) for _ in range(4))
    whole = [x.clone().requires_grad_() for x in (q, k, v)]
    a, b, c = (x.transpose(1, 2) for x in whole)
    expected = flash_attn_func(a, b, c, causal=True).transpose(1, 2)
    gradients = torch.autograd.grad(expected, whole, dout)
    local = [cut(x, rank, balanced) for x in (q, k, v)]
    ahead: Any = ring._templated_ring_attention
    back: Any = ring._templated_ring_attention_backward
    out, lse, *_ = ahead(dist.group.WORLD, 2, forward, *local, is_causal=True)
    grad_out = cut(dout, rank, balanced)
    given = (dist.group.WORLD, 2, backward, grad_out, "grad_out", *local, out, lse)
    found = back(*given, is_causal=True)
    for ours, theirs in zip((out, *found), (expected, *gradients), strict=True):
        assert (ours - cut(theirs, rank, balanced)).abs().max() < 1e-5
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1] == "balanced", int(sys.argv[2]), sys.argv[3])
