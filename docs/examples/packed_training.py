"""Trains a small GPT on texts of different lengths, packed behind each other without padding.

python docs/examples/packed_training.py
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys

import torch

from fa_demo import corpus
from fa_demo.packed_gpt import END, Packed, PackedGPT, loss, pack

BOUND = 1e-5


def batches(tokens: int, count: int) -> list[Packed]:
    """Texts as bytes, as many in each batch as fit into `tokens`."""
    texts = [[*passage.text.encode()[:400], END] for passage in corpus.load_passages()]
    random.Random(0).shuffle(texts)
    made: list[Packed] = []
    chosen: list[list[int]] = []
    for text in texts:
        if sum(map(len, chosen)) + len(text) > tokens:
            made.append(pack(chosen))
            chosen = []
            if len(made) == count:
                break
        chosen.append(text)
    return made


def gradient_difference(model: PackedGPT, packed: Packed) -> float:
    """Between a packed batch and its sequences one by one: attention that mixes them would show."""
    weights = list(model.parameters())
    together = torch.autograd.grad(loss(model, packed), weights)
    ends = packed.cu_seqlens.tolist()
    alone = [torch.zeros_like(w) for w in weights]
    predicted = len(packed.tokens) - (len(ends) - 1)
    for first, last in itertools.pairwise(ends):
        if last - first < 2:
            continue
        part = loss(model, pack([packed.tokens[first:last].tolist()]))
        share = (last - first - 1) / predicted
        for total, gradient in zip(alone, torch.autograd.grad(part, weights), strict=True):
            total += share * gradient
    return max(float((a - b).abs().max()) for a, b in zip(together, alone, strict=True))


def main() -> int:
    """Trains, and prints the loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens of a batch")
    parser.add_argument("--quick", action="store_true", help="few steps")
    arguments = parser.parse_args()
    steps, tokens = (15, 1024) if arguments.quick else (arguments.steps, arguments.tokens)
    torch.manual_seed(0)
    model = PackedGPT()
    data = batches(tokens, steps)
    difference = gradient_difference(model, data[0])
    print(f"gradient of packed sequences to that of each alone: difference {difference:.1e}")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for step, packed in enumerate(data):
        optimizer.zero_grad()
        value = loss(model, packed)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
        if step % 10 == 0 or step == len(data) - 1:
            sequences = len(packed.cu_seqlens) - 1
            print(f"step {step}: {sequences} sequences, loss {losses[-1]:.3f}")
    learned = losses[-1] < 0.8 * losses[0]
    print(f"loss fell by a fifth or more: {'yes' if learned else 'no'}")
    return int(difference > BOUND or not learned)


if __name__ == "__main__":
    sys.exit(main())
