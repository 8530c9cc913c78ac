"""Collectives with gradients, on two processes over gloo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from api.support import Wheel

CODE = """
import os, sys, torch, torch.distributed as dist
from flash_attn.utils import distributed as ours
rank, path = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
group = dist.group.WORLD
mine = [torch.arange(8.0).view(4, 2) + 10 * r for r in range(2)]
x = mine[rank].clone().requires_grad_()
weight = torch.arange(16.0).view(8, 2)

joined = ours.all_gather(x, group)
assert torch.equal(joined, torch.cat(mine))
(dx,) = torch.autograd.grad(joined, x, weight)
assert torch.equal(dx, 2 * weight[4 * rank : 4 * rank + 4])

part = ours.reduce_scatter(x, group)
assert torch.equal(part, sum(mine)[2 * rank : 2 * rank + 2])
(dx,) = torch.autograd.grad(part, x, torch.full((2, 2), 1.0 + rank))
assert torch.equal(dx, torch.tensor([[1.0, 1], [1, 1], [2, 2], [2, 2]]))

total = ours.all_reduce(x, group)
assert torch.equal(total, sum(mine))
assert torch.equal(x, mine[rank])
(dx,) = torch.autograd.grad(total, x, weight[:4])
assert torch.equal(dx, weight[:4])
_, handle = ours.all_reduce_raw(x.detach().clone(), group, async_op=True)
handle.wait()

model = torch.nn.Linear(2, 2)
torch.nn.init.constant_(model.weight, float(rank + 1))
model.weight._shared_params = True
ours.sync_shared_params(model, group)
assert torch.equal(model.weight, torch.ones(2, 2))
model.bias._sequence_parallel = True
model.bias.grad = torch.full((2,), float(rank + 1))
ours.allreduce_sequence_parallel_grad(model, group)
assert torch.equal(model.bias.grad, torch.full((2,), 3.0))
try:
    ours.reduce_scatter_raw(torch.ones(3), group)
except ValueError as error:
    print(error)
dist.barrier()
dist.destroy_process_group()
sys.stdout.flush()
os._exit(0)  # gloo's threads and the end of the interpreter race: "terminate called", now and then
"""


def test_collectives(v2: Wheel, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in ranks:
        out, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
        assert "got 3 rows, expected a multiple of 2" in out


@pytest.mark.parametrize(
    ("dim", "ranks", "multiple"), [(12, 4, 1), (13, 4, 1), (48, 3, 8), (8, 3, 2)]
)
def test_local_dims(v2: Wheel, dim: int, ranks: int, multiple: int) -> None:
    from flash_attn.utils.distributed import get_dim_for_local_rank

    parts = [get_dim_for_local_rank(dim, ranks, r, multiple) for r in range(ranks)]
    assert sum(parts) == dim
    assert all(p % multiple == 0 for p in parts)
    assert parts == sorted(parts, reverse=True)
    assert parts[0] - parts[-1] <= multiple
