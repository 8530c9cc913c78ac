"""Cross entropy: generated cases against fp64, split vocabularies, memory, the module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from api.support import Wheel, gradient, leaf, normal
from fa_testing.layers import check, cross_entropy, pick

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BATCHES, PER_BATCH = 20, 30


@pytest.fixture
def loss_of(v2: Wheel) -> Any:
    from flash_attn.ops.triton.cross_entropy import cross_entropy_loss

    return cross_entropy_loss


def generated(seed: int) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """logits, labels, the gradient of the losses, options."""
    g = torch.Generator().manual_seed(seed)
    rows, classes = pick(g, 1, 2, 5, 17), pick(g, 1, 2, 7, 16, 33, 130, 1000, 5003)
    spread = pick(g, 0.1, 1.0, 5.0, 20.0)
    logits = torch.randn(rows, classes, generator=g) * spread + pick(g, 0.0, 0.0, 30.0)
    logits = logits.to(pick(g, *DTYPES))
    kind = pick(g, "plain", "padded", "strided")
    if kind == "padded":
        logits = torch.nn.functional.pad(logits, (0, 3))[:, :classes]
    elif kind == "strided":
        logits = logits.t().contiguous().t()
    labels = torch.randint(0, classes, (rows,), generator=g)
    ignore = pick(g, -100, 0)
    labels[torch.rand(rows, generator=g) < 0.2] = ignore
    options = {
        "smoothing": pick(g, 0.0, 0.1, 0.6),
        "scale": pick(g, 1.0, 0.7, 3.0),
        "square": pick(g, 0.0, 1e-4, 0.3),
        "ignore_index": ignore,
    }
    dloss = torch.randn(rows, generator=g)
    return logits, labels.to(pick(g, torch.int64, torch.int32)), dloss, options


def named(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "label_smoothing": options["smoothing"],
        "logit_scale": options["scale"],
        "lse_square_scale": options["square"],
        "ignore_index": options["ignore_index"],
    }


@pytest.mark.parametrize("batch", range(BATCHES))
def test_generated_cases(loss_of: Any, batch: int) -> None:
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        logits, labels, dloss, options = generated(seed)
        expected = cross_entropy(logits, labels.long(), dloss, **options)
        x = logits.detach().requires_grad_()
        losses, z_losses = loss_of(x, labels, **named(options))
        assert losses.dtype == z_losses.dtype == torch.float32
        assert not z_losses.requires_grad
        check(f"losses of case {seed}", losses, expected.losses)
        check(f"z_losses of case {seed}", z_losses, expected.z_losses)
        (dx,) = torch.autograd.grad(losses, x, dloss)
        assert dx.dtype == x.dtype
        check(f"dlogits of case {seed}", dx, expected.dlogits)
        start = logits.clone().requires_grad_()
        again = start * 1.0
        losses, _ = loss_of(again, labels, **named(options), inplace_backward=True)
        (inplace,) = torch.autograd.grad(losses, again, dloss)
        assert torch.equal(inplace, dx)
        if logits.stride(1) == 1:
            assert inplace.data_ptr() == again.data_ptr()


@pytest.mark.smoke
def test_as_plain_torch(loss_of: Any) -> None:
    x, y = leaf(5, 77), leaf(5, 77)
    labels = torch.tensor([3, -100, 0, 76, 12])
    ours, z = loss_of(x, labels, label_smoothing=0.1)
    theirs = F.cross_entropy(y, labels, reduction="none", label_smoothing=0.1)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert torch.equal(z, torch.zeros(5))
    ours.sum().backward()
    theirs.sum().backward()
    assert torch.allclose(gradient(x), gradient(y), atol=1e-6)


def test_known_lse(loss_of: Any) -> None:
    x, labels = normal(5, 77), torch.tensor([3, -100, 0, 76, 12])
    lse = torch.logsumexp(x, -1)
    assert torch.allclose(loss_of(x, labels, lse)[0], loss_of(x, labels)[0], atol=1e-6)
    # It is believed where it can be used.
    shifted = loss_of(x, labels, lse + 1)[0] - loss_of(x, labels)[0]
    assert torch.allclose(shifted, torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]), atol=1e-5)
    scaled = {"logit_scale": 2.0}
    assert torch.equal(loss_of(x, labels, lse, **scaled)[0], loss_of(x, labels, **scaled)[0])


def test_masked_logits(loss_of: Any) -> None:
    x = normal(3, 50)
    x[:, ::2] = float("-inf")
    labels = torch.tensor([1, 3, 5])
    x.requires_grad_()
    losses, _ = loss_of(x, labels)
    assert torch.allclose(losses, F.cross_entropy(x, labels, reduction="none"), atol=1e-6)
    (dx,) = torch.autograd.grad(losses.sum(), x)
    assert torch.equal(dx[:, ::2], torch.zeros(3, 25))


def test_no_rows(loss_of: Any) -> None:
    x = torch.zeros(0, 7, requires_grad=True)
    losses, _ = loss_of(x, torch.zeros(0, dtype=torch.int64))
    assert losses.shape == (0,)
    losses.sum().backward()
    assert gradient(x).shape == (0, 7)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_module(v2: Wheel, loss_of: Any, reduction: str) -> None:
    from flash_attn.losses.cross_entropy import CrossEntropyLoss

    x, labels = normal(5, 77), torch.tensor([3, -100, 0, 76, 12])
    module = CrossEntropyLoss(reduction=reduction, lse_square_scale=0.1, return_z_loss=True)
    loss, z = module(x, labels)
    losses, z_losses = loss_of(x, labels, lse_square_scale=0.1)
    if reduction == "none":
        assert torch.equal(loss, losses)
        assert torch.equal(z, z_losses)
    else:
        count = 4 if reduction == "mean" else 1
        assert torch.allclose(loss, losses.sum() / count)
        assert torch.allclose(z, z_losses.sum() / count)
    assert CrossEntropyLoss(inplace_backward=True)(x, labels).shape == ()
    with pytest.raises(NotImplementedError):
        CrossEntropyLoss(reduction="median")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((normal(5, 7, 2), torch.zeros(5, dtype=torch.int64)), "logits: got"),
        ((normal(5, 7), torch.zeros(4, dtype=torch.int64)), "labels: got"),
        ((normal(5, 7), torch.zeros(5)), "labels: got"),
        ((normal(5, 7), torch.zeros(5, dtype=torch.int64), None, 0.0, 0.0), "logit_scale: got"),
    ],
)
def test_refusals(v2: Wheel, loss_of: Any, arguments: Any, message: str) -> None:
    with pytest.raises(v2.module.InvalidArgument, match=message):
        loss_of(*arguments)


SPLIT = """
import os, sys, torch, torch.distributed as dist
from flash_attn.ops.triton.cross_entropy import cross_entropy_loss
rank, path = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
group = dist.group.WORLD
torch.manual_seed(0)
whole, dloss = torch.randn(9, 40) * 3, torch.randn(9)
labels = torch.tensor([0, 19, 20, 39, -100, 5, 33, 7, 21])
for options in ({}, {"label_smoothing": 0.2, "lse_square_scale": 0.1, "logit_scale": 0.7}):
    x = whole.clone().requires_grad_()
    losses, z = cross_entropy_loss(x, labels, **options)
    (dx,) = torch.autograd.grad(losses, x, dloss)
    part = whole[:, rank * 20 : rank * 20 + 20].clone().requires_grad_()
    ours, our_z = cross_entropy_loss(part, labels, **options, process_group=group)
    (dpart,) = torch.autograd.grad(ours, part, dloss)
    assert torch.allclose(ours, losses, atol=1e-5), (ours, losses)
    assert torch.allclose(our_z, z, atol=1e-5)
    assert torch.allclose(dpart, dx[:, rank * 20 : rank * 20 + 20], atol=1e-6)
    (again,) = torch.autograd.grad(
        cross_entropy_loss(part * 1.0, labels, **options, process_group=group,
                           inplace_backward=True)[0], part, dloss)
    assert torch.equal(again, dpart)
dist.barrier()
dist.destroy_process_group()
print("same", flush=True)
os._exit(0)  # as in test_distributed.py
"""


def test_split_vocabulary(v2: Wheel, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SPLIT]
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
        # Some versions of gloo print their connections first.
        assert out.endswith("same\n"), error


MEMORY = """
import torch
from flash_attn.ops.triton.cross_entropy import cross_entropy_loss
from conformance.peak_memory import CLEAR, STATUS, peak_mb, status_mb

def step(rows, classes, dtype, in_place=True):
    logits = torch.empty(rows, classes, dtype=dtype)
    logits.copy_(torch.arange(classes) % 13)
    x = logits.requires_grad_()
    labels = torch.arange(rows) % classes
    if CLEAR.exists():
        CLEAR.write_text("5")  # resets VmHWM
    before = status_mb("VmRSS")
    losses, _ = cross_entropy_loss(x, labels, lse_square_scale=1e-4, inplace_backward=in_place)
    torch.autograd.grad(losses.sum(), x)
    return (peak_mb() - before) / (logits.numel() * logits.element_size() / 2**20)

step(64, 50257, torch.float32)
for dtype in (torch.float32, torch.bfloat16):
    print(step(8192, 50257, dtype))
print(step(1024, 50257, torch.float32, in_place=False))
"""


@pytest.mark.once
@pytest.mark.slow
def test_peak_memory(v2: Wheel) -> None:
    """Forward and backward in place take at most 5 % of the logits on top of them."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell the peak of a phase")
    folder = Path(__file__).resolve().parents[1]
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{MEMORY}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    shares = [float(line) for line in done.stdout.split()]
    assert len(shares) == 3, done.stderr
    assert max(shares[:2]) <= 0.05, shares
    assert shares[2] > 0.9, "a gradient of its own was not noticed"


def test_opcheck(v2: Wheel, loss_of: Any) -> None:
    logits, labels = normal(5, 77), torch.tensor([3, -100, 0, 76, 12])
    options = 0.1, 0.7, 0.3, -100, 77, 0
    for dtype in DTYPES:
        x = logits.to(dtype)
        torch.library.opcheck(v2.ops.cross_entropy.default, (x, labels, None, *options, False))
        losses, _, lse = v2.ops.cross_entropy(x, labels, None, *options, False)
        arguments = (losses, x, lse, labels, *options)
        torch.library.opcheck(v2.ops.cross_entropy_backward.default, arguments)
        torch.library.opcheck(v2.ops.cross_entropy_backward_.default, arguments)
    torch.library.opcheck(v2.ops.cross_entropy.default, (logits, labels, normal(5), *options, True))


def test_torch_compile(loss_of: Any) -> None:
    labels = torch.tensor([3, -100, 0, 76, 12])

    def call(x: Tensor) -> Tensor:
        return loss_of(x * 2, labels, lse_square_scale=0.1)[0]  # type: ignore[no-any-return]

    compiled: Any = torch.compile(call, fullgraph=True, backend="aot_eager")
    x, y = leaf(5, 77), leaf(5, 77)
    compiled(x).sum().backward()
    call(y).sum().backward()
    assert torch.equal(gradient(x), gradient(y))
