"""What one call costs besides the kernel: Python, dispatch, autograd and the binding.

Times public functions on problems without work and takes off what allocating their outputs costs.
Prints microseconds for both wheels, without and with gradients (a forward that records a graph),
and for PyTorch's own attention, which tells how fast the machine is.

    python benchmarks/overhead.py [--seconds 1.5] [--out overhead.json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import flash_attn
import flash_attn_interface
from machine import describe
from measure import race

HEADS, HEAD_DIM = 8, 64


@dataclass(frozen=True)
class Overhead:
    """Microseconds. `net` is `call` less `allocation`, medians over rounds of taking turns."""

    wheel: str
    function: str
    problem: str
    grad: bool
    call: float
    allocation: float
    net: float
    best: float  # of the call, less the best of the allocation


def problems() -> Iterator[tuple[str, int]]:
    """(name, tokens) of what is attended to."""
    yield "no tokens", 0
    yield "one token", 1


def attending(f: Callable[..., object], q: Tensor, k: Tensor, v: Tensor) -> Callable[[], object]:
    return lambda: f(q, k, v)


def functions(tokens: int) -> Iterator[tuple[str, str, bool, Callable[[], object]]]:
    """(wheel, function, with gradients, call)."""
    q, k, v = (torch.randn(1, tokens, HEADS, HEAD_DIM) for _ in range(3))
    leaves = [t.clone().requires_grad_() for t in (q, k, v)]
    for wheel, module in (("v2", flash_attn), ("v3", flash_attn_interface)):
        function = module.flash_attn_func
        yield wheel, "flash_attn_func", False, attending(function, q, k, v)
        yield wheel, "flash_attn_func", True, attending(function, *leaves)
        cached = module.flash_attn_with_kvcache
        yield wheel, "flash_attn_with_kvcache", False, attending(cached, q, k, v)
    heads_first = [t.transpose(1, 2) for t in (q, k, v)]
    peer = F.scaled_dot_product_attention
    yield "torch", "scaled_dot_product_attention", False, attending(peer, *heads_first)


def allocation(tokens: int) -> Callable[[], object]:
    """Allocates what a call returns or keeps: out and LSE."""
    q = torch.randn(1, tokens, HEADS, HEAD_DIM)

    def allocate() -> object:
        return torch.empty_like(q), torch.empty(1, HEADS, tokens)

    return allocate


def measure(seconds: float) -> list[Overhead]:
    """Every function on every problem, `seconds` for each."""
    rows = []
    for problem, tokens in problems():
        allocate = allocation(tokens)
        for wheel, function, grad, call in functions(tokens):
            # One thread does it all, so its own time is the cost, whatever else the machine does.
            result = race({"call": call, "allocation": allocate}, seconds, time.thread_time)
            called, allocated = (result.timings[name] for name in ("call", "allocation"))
            micro = [
                1e6 * t for t in (called.median, allocated.median, called.best, allocated.best)
            ]
            net, best = micro[0] - micro[1], micro[2] - micro[3]
            rows.append(Overhead(wheel, function, problem, grad, micro[0], micro[1], net, best))
    return rows


def table(rows: list[Overhead]) -> str:
    lines = ["overhead per call in microseconds, output allocation taken off"]
    lines.append(f"{'wheel':6}{'function':30}{'problem':12}{'grad':6}{'median':>8}{'best':>8}")
    for r in rows:
        grad = "yes" if r.grad else "no"
        lines.append(f"{r.wheel:6}{r.function:30}{r.problem:12}{grad:6}{r.net:8.1f}{r.best:8.1f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="for each line")
    parser.add_argument("--out", help="also write JSON to this file")
    options = parser.parse_args()
    machine = describe()  # before the run, which makes a load of its own
    rows = measure(options.seconds)
    print(f"{machine['cpu']}, load {machine['load']:.1f}, torch {machine['torch']}")
    print(table(rows))
    if options.out:
        document = {"machine": machine, "overhead": [asdict(row) for row in rows]}
        Path(options.out).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
