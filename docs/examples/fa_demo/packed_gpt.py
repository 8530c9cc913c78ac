"""A small GPT over bytes that knows packed sequences only: tokens behind each other, no padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flash_attn import flash_attn_varlen_func

VOCABULARY = 257  # bytes, and the end of a text
END = 256
# (layer, q [T, Hq, D], k [T, Hkv, D], v [T, Hkv, D]) -> [T, Hq, D]
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class Packed(NamedTuple):
    """Sequences behind each other."""

    tokens: Tensor  # [T]
    positions: Tensor  # [T], of each token in its sequence
    cu_seqlens: Tensor  # int32 [B + 1]
    longest: int


def pack(sequences: Sequence[Sequence[int]], first: Sequence[int] | None = None) -> Packed:
    """Puts sequences behind each other; `first` is the position of the first token of each."""
    lengths = [len(sequence) for sequence in sequences]
    starts = [0] * len(sequences) if first is None else first
    positions = [start + i for start, n in zip(starts, lengths, strict=True) for i in range(n)]
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    tokens = torch.tensor([token for sequence in sequences for token in sequence])
    return Packed(tokens, torch.tensor(positions), cu_seqlens, max(lengths))


class Layer(nn.Module):
    """Attention with grouped heads, then a feed-forward part."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.dim = heads, kv_heads, width // heads
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.dim)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k and v of tokens [T, width]."""
        heads = self.qkv(self.norms[0](x)).unflatten(-1, (-1, self.dim))
        q, k, v = heads.split([self.heads, self.kv_heads, self.kv_heads], 1)
        return q, k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """What comes after attention."""
        x = x + self.out(attended.flatten(1))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))  # type: ignore[no-any-return]


class PackedGPT(nn.Module):
    """Bytes in, logits out; attention is handed in, so that training and serving share the rest."""

    def __init__(
        self,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        kv_heads: int = 2,
        tokens: int = 512,
    ) -> None:
        super().__init__()
        self.embedding, self.position = nn.Embedding(VOCABULARY, width), nn.Embedding(tokens, width)
        self.layers = nn.ModuleList([Layer(width, heads, kv_heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)
        self.kv_shape = (kv_heads, width // heads)

    def forward(self, packed: Packed, attend: Attend) -> Tensor:
        """Logits [T, VOCABULARY]."""
        x = self.embedding(packed.tokens) + self.position(packed.positions)
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x = layer.finish(x, attend(i, *layer.project(x)))
        return self.head(self.norm(x))  # type: ignore[no-any-return]


def causal(packed: Packed, window: int | None = None) -> Attend:
    """Each token sees those before it in its own sequence, at most the last `window` of them."""
    bounds = (packed.cu_seqlens, packed.cu_seqlens, packed.longest, packed.longest)
    window_size = (-1, -1) if window is None else (window - 1, 0)

    def attend(_: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = flash_attn_varlen_func(q, k, v, *bounds, causal=True, window_size=window_size)
        return out

    return attend


def loss(model: PackedGPT, packed: Packed) -> Tensor:
    """Mean loss of the next token. The last token of a sequence predicts nothing."""
    logits = model(packed, causal(packed))
    predicts = torch.ones(len(packed.tokens), dtype=torch.bool)
    predicts[packed.cu_seqlens[1:].long() - 1] = False
    return F.cross_entropy(logits[predicts], packed.tokens[1:][predicts[:-1]])


@torch.inference_mode()
def continue_without_cache(
    model: PackedGPT, prompt: list[int], count: int, window: int | None = None
) -> list[int]:
    """`count` more tokens, each time from the whole sequence: what every cache must give too."""
    tokens = list(prompt)
    for _ in range(count):
        packed = pack([tokens])
        tokens.append(int(model(packed, causal(packed, window))[-1].argmax()))
    return tokens[len(prompt) :]
