"""Attention over a sequence that is spread over processes, compared with one process.

Starts its processes itself and lets them talk over gloo on this machine:

    python docs/examples/context_parallel.py --processes 2
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from fa_demo import context_parallel
from flash_attn import flash_attn_func

BOUND = 1e-5  # fp32, of values and gradients of size 1


def compare(zigzag: bool, tokens: int) -> tuple[float, float]:
    """Largest difference of out and of the gradients of q, k and v to attention in one process."""
    torch.manual_seed(0)  # every process makes the whole sequence, to compare with
    q, k, v = (torch.randn(1, tokens, heads, 32) for heads in (4, 2, 2))
    dout = torch.randn_like(q)
    whole = [x.clone().requires_grad_() for x in (q, k, v)]
    out = flash_attn_func(whole[0], whole[1], whole[2], causal=True)
    gradients = torch.autograd.grad(out, whole, dout)

    local = [context_parallel.cut(x, zigzag).requires_grad_() for x in (q, k, v)]
    result = context_parallel.attention(local[0], local[1], local[2], zigzag)
    found = torch.autograd.grad(result, local, context_parallel.cut(dout, zigzag))
    pairs = zip((result.detach(), *found), (out.detach(), *gradients), strict=True)
    errors = [float((a - context_parallel.cut(b, zigzag)).abs().max()) for a, b in pairs]
    return errors[0], max(errors[1:])


def process(rank: int, world: int, file: str, tokens: int) -> None:
    """One of the processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world)
    worst = 0.0
    for name, zigzag in (("ring", False), ("zigzag", True)):
        errors = compare(zigzag, tokens)
        worst = max(worst, *errors)
        if rank == 0:
            print(f"{name}: difference of out {errors[0]:.1e}, of gradients {errors[1]:.1e}")
    dist.barrier()
    dist.destroy_process_group()
    if worst > BOUND:
        sys.exit(f"process {rank}: difference {worst:.1e}, allowed {BOUND:.0e}")


def main() -> None:
    """Starts the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=256, help="a multiple of 2 x processes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "rendezvous")
        given = arguments.processes, file, arguments.tokens
        spawn(process, args=given, nprocs=arguments.processes)
    print("equal to attention in one process: yes")


if __name__ == "__main__":
    main()
