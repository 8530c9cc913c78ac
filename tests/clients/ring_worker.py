"""One process of test_ring_flash_attn: `python -m clients.ring_worker FORM RANK WORLD FILE`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from flash_attn import flash_attn_qkvpacked_func, flash_attn_varlen_qkvpacked_func

LENGTHS = (24, 40)  # of packed sequences; multiples of twice the number of processes
TOKENS = sum(LENGTHS)


def contiguous_part(x: Tensor, dim: int, rank: int, world: int) -> Tensor:
    """What `ring` gives a process: one piece."""
    return x.chunk(world, dim)[rank]


def zigzag_part(x: Tensor, dim: int, rank: int, world: int) -> Tensor:
    """What `zigzag` gives a process: a piece from the front and one from the back."""
    pieces = x.chunk(2 * world, dim)
    return torch.cat([pieces[rank], pieces[2 * world - 1 - rank]], dim)


def stripe_part(x: Tensor, dim: int, rank: int, world: int) -> Tensor:
    """What `stripe` gives a process: every world-th token."""
    return x[(slice(None),) * dim + (slice(rank, None, world),)]


def of_each_sequence(part: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same of every packed sequence, behind each other."""

    def cut(x: Tensor, dim: int, rank: int, world: int) -> Tensor:
        return torch.cat([part(piece, dim, rank, world) for piece in x.split(LENGTHS, dim)], dim)

    return cut


def ours(form: str, x: Tensor, world: int) -> Any:
    """The client's function of this form."""
    import ring_flash_attn as client

    if not form.endswith("varlen"):
        return getattr(client, f"{form}_flash_attn_qkvpacked_func")(x, causal=True)
    cu_seqlens = torch.tensor([0, LENGTHS[0], TOKENS], dtype=torch.int32)
    if form == "llama3_varlen":
        rank = dist.get_rank()
        prepared = client.llama3_flash_attn_prepare_cu_seqlens(cu_seqlens, True, rank, world)
        cu_q, cu_k, longest_q, longest_k, keys = prepared
        return client.llama3_flash_attn_varlen_qkvpacked_func(
            *(x, cu_q, cu_k, longest_q, longest_k),
            heads_k_stride=1,
            local_k_slice=keys,
            causal=True,
        )
    function = getattr(client, f"{form[:-7]}_flash_attn_varlen_qkvpacked_func")
    return function(x, cu_seqlens // world, max(LENGTHS) // world, causal=True)


CUTS = {
    "ring": contiguous_part,
    "zigzag_ring": zigzag_part,
    "stripe": stripe_part,
    "ring_varlen": of_each_sequence(contiguous_part),
    "zigzag_ring_varlen": of_each_sequence(zigzag_part),
    "llama3_varlen": contiguous_part,
}


def main(form: str, rank: int, world: int, file: str) -> None:
    """Compares forward and gradients of one form with attention in one process."""
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world)
    torch.manual_seed(0)
    varlen = form.endswith("varlen")
    shape = (TOKENS, 3, 4, 32) if varlen else (1, TOKENS, 3, 4, 32)
    x = torch.randn(shape, dtype=torch.bfloat16, requires_grad=True)
    dout = torch.randn(*shape[:-3], *shape[-2:], dtype=torch.bfloat16)
    if varlen:
        cu_seqlens = torch.tensor([0, LENGTHS[0], TOKENS], dtype=torch.int32)
        out = flash_attn_varlen_qkvpacked_func(x, cu_seqlens, max(LENGTHS), causal=True)
    else:
        out = flash_attn_qkvpacked_func(x, causal=True)
    (gradient,) = torch.autograd.grad(out, x, dout)

    def cut(tensor: Tensor) -> Tensor:
        return CUTS[form](tensor, 0 if varlen else 1, rank, world).contiguous()

    local = cut(x.detach()).requires_grad_()
    result = ours(form, local, world)
    (local_gradient,) = torch.autograd.grad(result, local, cut(dout))
    errors = (result - cut(out)).abs().max(), (local_gradient - cut(gradient)).abs().max()
    print(form, rank, *(f"{float(error):.4f}" for error in errors))
    assert errors[0] < 0.02
    assert errors[1] < 0.05
    dist.barrier()  # without it the first process to leave takes the others' connection along
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
