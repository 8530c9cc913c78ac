"""Encoding a corpus with several attentions side by side, and searching it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .minilm import ATTENTIONS, Encoder, pad_ids, sentence_embeddings
from .progress import Progress


@dataclass
class Encoded:
    """What one attention made of the corpus, and how long it took."""

    embeddings: Tensor  # [N, E] fp32, row i belongs to sequence i; NaN where it was in no batch
    seconds: float = 0.0
    max_difference: float = (
        0.0  # of the last hidden states, over all tokens, to the first attention
    )


@dataclass
class Comparison:
    """The same batches through several attentions."""

    by_attention: dict[str, Encoded]
    tokens: int
    positions: int  # tokens and padding

    def tokens_per_second(self, name: str) -> float:
        return self.tokens / self.by_attention[name].seconds


def batches_by_length(ids: list[list[int]], size: int) -> list[list[int]]:
    """Indices of each batch; sequences of like length together, so that little is padding."""
    return _cut(sorted(range(len(ids)), key=lambda i: len(ids[i])), size)


def batches_at_random(ids: list[list[int]], size: int, count: int, seed: int) -> list[list[int]]:
    """Indices of `count` batches in random order, as requests arrive at a server."""
    order = list(range(len(ids)))
    random.Random(seed).shuffle(order)
    return _cut(order, size)[:count]


def _cut(order: list[int], size: int) -> list[list[int]]:
    return [order[i : i + size] for i in range(0, len(order), size)]


@torch.inference_mode()
def compare(
    encoder: Encoder,
    ids: list[list[int]],
    batches: list[list[int]],
    attentions: Sequence[str],
    label: str = "encoding",
) -> Comparison:
    """Encodes every batch with every attention, one after the other, and times each.

    The attentions take turns batch by batch, and swap their order every time, so that what else
    happens on the machine hits all of them alike. Hidden states are compared with those of the
    first attention, on tokens only: padding has no meaning.
    """
    width = encoder.norm.weight.shape[0]
    device = encoder.norm.weight.device
    result = {name: Encoded(torch.full((len(ids), width), torch.nan)) for name in attentions}
    comparison = Comparison(result, tokens=0, positions=0)
    _warm_up(encoder, attentions)
    with Progress(label, len(batches)) as progress:
        for count, batch in enumerate(batches):
            padded, mask = (t.to(device) for t in pad_ids([ids[i] for i in batch]))
            comparison.positions += mask.numel()
            comparison.tokens += int(mask.sum())
            hidden = {}
            for name in attentions if count % 2 == 0 else reversed(attentions):
                attention = ATTENTIONS[name]()
                start = time.perf_counter()
                hidden[name] = encoder(padded, mask, attention)
                result[name].seconds += time.perf_counter() - start
            for name, states in hidden.items():
                gap = (states - hidden[attentions[0]])[mask.bool()].abs().max().item()
                result[name].max_difference = max(result[name].max_difference, gap)
                result[name].embeddings[batch] = sentence_embeddings(states, mask).cpu()
            progress.step()
    return comparison


@torch.inference_mode()
def embed(encoder: Encoder, ids: list[list[int]], attention: str) -> Tensor:
    """Embeddings [N, E] of a few sequences, in one batch."""
    padded, mask = (t.to(encoder.norm.weight.device) for t in pad_ids(ids))
    return sentence_embeddings(encoder(padded, mask, ATTENTIONS[attention]()), mask).cpu()


def best_hits(corpus: Tensor, queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Cosine scores and indices, both [Q, count], best first."""
    top = torch.topk(queries @ corpus.T, count)
    return top.values, top.indices


def _warm_up(encoder: Encoder, attentions: Sequence[str]) -> None:
    ids, mask = (t.to(encoder.norm.weight.device) for t in pad_ids([[101, 2088, 102]] * 2))
    for name in attentions:
        encoder(ids, mask, ATTENTIONS[name]())
