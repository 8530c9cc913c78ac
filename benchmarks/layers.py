"""Rotary embedding, norms and cross entropy against the same in plain PyTorch, in one process.

Contestants take turns as in run.py. Prints milliseconds of ours, best of both, and how many times
faster ours is (median of rounds, with its deviation), forward and backward.

    python benchmarks/layers.py [--seconds 1] [--rows 1024] [--out layers.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from flash_attn.layers.rotary import apply_rotary_emb, apply_rotary_emb_torch
from flash_attn.ops.triton.cross_entropy import cross_entropy_loss
from flash_attn.ops.triton.layer_norm import layer_norm_fn, rms_norm_fn
from machine import describe
from measure import race

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
HIDDEN, CLASSES, HEADS, HEAD_DIM = 4096, 50257, 16, 128


class Pair(NamedTuple):
    """Two ways to the same result, and what it can be differentiated by."""

    name: str
    ours: Callable[[], Any]
    plain: Callable[[], Any]
    inputs: tuple[Tensor, ...]


def norms(rows: int, dtype: torch.dtype) -> Iterator[Pair]:
    """Layer norm and RMS norm, alone and of a sum that is returned, too."""
    x, residual = (torch.randn(rows, HIDDEN).to(dtype).requires_grad_() for _ in range(2))
    weight, bias = (torch.randn(HIDDEN).to(dtype).requires_grad_() for _ in range(2))

    def plain_rms(x: Tensor) -> Tensor:
        h = x.float()
        return (h * torch.rsqrt(h.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight

    def plain_sum(norm: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        h = x + residual
        return norm(h), h

    def plain_layer(x: Tensor) -> Tensor:
        return F.layer_norm(x, (HIDDEN,), weight, bias)

    options: dict[str, Any] = {"eps": 1e-5}
    yield Pair(
        "layer norm",
        lambda: layer_norm_fn(x, weight, bias, **options),
        lambda: plain_layer(x),
        (x, weight, bias),
    )
    yield Pair(
        "RMS norm",
        lambda: rms_norm_fn(x, weight, None, **options),
        lambda: plain_rms(x),
        (x, weight),
    )
    options["prenorm"] = True
    yield Pair(
        "residual + layer norm",
        lambda: layer_norm_fn(x, weight, bias, residual, **options),
        lambda: plain_sum(plain_layer),
        (x, residual, weight, bias),
    )
    yield Pair(
        "residual + RMS norm",
        lambda: rms_norm_fn(x, weight, None, residual, **options),
        lambda: plain_sum(plain_rms),
        (x, residual, weight),
    )


def losses(rows: int, dtype: torch.dtype) -> Iterator[Pair]:
    """Cross entropy, plain and with what PyTorch has no function for."""
    logits = torch.randn(rows, CLASSES).to(dtype).requires_grad_()
    labels = torch.randint(0, CLASSES, (rows,))

    def plain(x: Tensor) -> Tensor:
        return F.cross_entropy(x, labels, reduction="none").float()

    yield Pair(
        "cross entropy",
        lambda: cross_entropy_loss(logits, labels)[0],
        lambda: plain(logits),
        (logits,),
    )
    yield Pair(
        "cross entropy with z-loss",
        lambda: cross_entropy_loss(logits, labels, lse_square_scale=1e-4)[0],
        lambda: plain(logits) + 1e-4 * torch.logsumexp(logits.float(), -1).square(),
        (logits,),
    )


def rotations(rows: int, dtype: torch.dtype) -> Iterator[Pair]:
    """Both ways to pair dims."""
    x = torch.randn(1, rows, HEADS, HEAD_DIM).to(dtype).requires_grad_()
    frequency = 10000.0 ** -(torch.arange(HEAD_DIM // 2) / (HEAD_DIM / 2))
    angle = torch.outer(torch.arange(float(rows)), frequency)
    cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
    for name, interleaved in (("rotary, halves", False), ("rotary, pairs", True)):
        yield Pair(
            name,
            lambda pairs=interleaved: apply_rotary_emb(x, cos, sin, pairs),  # type: ignore[misc]
            lambda pairs=interleaved: apply_rotary_emb_torch(x, cos, sin, pairs),  # type: ignore[misc]
            (x,),
        )


def contestants(pair: Pair) -> Iterator[tuple[str, dict[str, Callable[[], Any]]]]:
    """(direction, calls) of the forward, recorded for a gradient, and of the backward alone."""
    calls = {"ours": pair.ours, "plain": pair.plain}
    yield "fwd", calls
    backward: dict[str, Callable[[], Any]] = {}
    for name, call in calls.items():
        results = call()
        results = results if isinstance(results, tuple) else (results,)
        gradients = tuple(torch.randn_like(r) for r in results)

        def gradient(results: Any = results, gradients: Any = gradients) -> Any:
            return torch.autograd.grad(results, pair.inputs, gradients, retain_graph=True)

        backward[name] = gradient
    yield "bwd", backward


def measure(seconds: float, rows: int) -> list[dict[str, Any]]:
    """One row of results per layer, dtype and direction."""
    found = []
    for dtype_name, dtype in DTYPES.items():
        for layer in (norms, losses, rotations):
            for pair in layer(rows, dtype):
                for direction, calls in contestants(pair):
                    result = race(calls, seconds)
                    ratio, spread = result.ratio("plain", "ours")
                    found.append(
                        {
                            "layer": pair.name,
                            "dtype": dtype_name,
                            "direction": direction,
                            "ours": result.timings["ours"].best,
                            "plain": result.timings["plain"].best,
                            "ratio": ratio,
                            "spread": spread,
                        }
                    )
    return found


def table(document: dict[str, Any]) -> str:
    """The results as lines."""
    machine = document["machine"]
    lines = [
        f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads, "
        f"torch {machine['torch']}, load {machine['load']:.1f}, {document['rows']} rows",
        f"{'layer':28}{'dtype':6}{'':5}{'ours ms':>9}{'plain ms':>10}{'faster':>8}{'+-':>6}",
    ]
    if machine["load"] > machine["cores"] / 4:
        lines.insert(1, "the machine was busy before the run: do not quote these figures")
    lines += [
        f"{r['layer']:28}{r['dtype']:6}{r['direction']:5}{1e3 * r['ours']:9.3f}"
        f"{1e3 * r['plain']:10.3f}{r['ratio']:8.2f}{r['spread']:6.2f}"
        for r in document["layers"]
    ]
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=1.0, help="time per line (default: 1)")
    parser.add_argument("--rows", type=int, default=1024, help="tokens (default: 1024)")
    parser.add_argument("--out", type=Path, help="write the results as JSON, too")
    options = parser.parse_args()
    document = {"machine": describe(), "rows": options.rows}
    document["layers"] = measure(options.seconds, options.rows)
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    print(table(document))


if __name__ == "__main__":
    main()
