"""A small causal language model: RoPE, grouped query heads, trained with our backward."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn

from flash_attn import flash_attn_func

from .muon import Muon
from .progress import Progress

# (q [B,S,Hq,D], k [B,S,Hkv,D], v [B,S,Hkv,D]) -> [B,S,Hq,D], causal
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Config:
    vocab_size: int = 1024
    width: int = 192
    layers: int = 4
    q_heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    inner: int = 512
    max_tokens: int = 512


def train_tokenizer(text: str, vocab_size: int) -> Tokenizer:
    """Byte pairs learned from the text; any string can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def rotary_tables(config: Config, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """cos, sin [max_tokens, head_dim / 2] fp32."""
    half = config.head_dim // 2
    frequency = 10000.0 ** -(torch.arange(half, dtype=torch.float64) / half)
    angle = torch.outer(torch.arange(config.max_tokens, dtype=torch.float64), frequency)
    return angle.cos().float().to(device), angle.sin().float().to(device)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of x [B, S, H, D] at positions 0..S-1, first half paired with second."""
    cos, sin = (t[: x.shape[1], None] for t in (cos, sin))
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def flash_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Ours."""
    out: Tensor = flash_attn_func(q, k, v, causal=True)
    return out


def eager_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch written out; forms the whole score matrix."""
    group = q.shape[2] // k.shape[2]
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return (torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1) @ v).transpose(1, 2)


class Block(nn.Module):
    """Attention and a gated feed-forward, each behind a norm, each added to the stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        d, w = config.head_dim, config.width
        self.attention_norm, self.inner_norm = nn.LayerNorm(w), nn.LayerNorm(w)
        self.qkv = nn.Linear(w, (config.q_heads + 2 * config.kv_heads) * d, bias=False)
        self.attention_out = nn.Linear(config.q_heads * d, w, bias=False)
        self.gate_up = nn.Linear(w, 2 * config.inner, bias=False)
        self.down = nn.Linear(config.inner, w, bias=False)

    def project(self, x: Tensor) -> list[Tensor]:
        """q [..., Hq, D], k and v [..., Hkv, D] of x [..., E], not rotated."""
        heads = self.qkv(self.attention_norm(x)).unflatten(-1, (-1, self.config.head_dim))
        counts = [self.config.q_heads, self.config.kv_heads, self.config.kv_heads]
        return list(heads.split(counts, dim=-2))

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Everything after the attention, whose result is [..., Hq, D]."""
        x = x + self.attention_out(attended.flatten(-2))
        gate, up = self.gate_up(self.inner_norm(x)).chunk(2, dim=-1)
        out: Tensor = x + self.down(F.silu(gate) * up)
        return out


class CausalLM(nn.Module):
    """Token ids [B, S] to logits [B, S, vocab]."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        for block in self.layers():  # start with every block doing nothing: trains faster
            nn.init.zeros_(block.attention_out.weight)
            nn.init.zeros_(block.down.weight)
        cos, sin = rotary_tables(config)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def forward(self, ids: Tensor, attend: Attend = flash_attention) -> Tensor:
        x = self.tokens(ids)
        for block in self.layers():
            q, k, v = block.project(x)
            q, k = rotate(q, self.cos, self.sin), rotate(k, self.cos, self.sin)
            x = block.finish(x, attend(q, k, v))
        return self.logits(x)

    def layers(self) -> list[Block]:
        """The blocks, first to last."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def logits(self, x: Tensor) -> Tensor:
        """Logits [..., vocab] of the last block's output [..., E]; embeddings serve twice."""
        return F.linear(self.norm(x), self.tokens.weight)


def loss_of(model: CausalLM, ids: Tensor, attend: Attend = flash_attention) -> Tensor:
    """Mean cross entropy of predicting each next token; ids [B, S + 1]."""
    logits = model(ids[:, :-1], attend)
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how fast.

    Attributes:
      steps: at most so many.
      seconds: stop after so long; makes the result depend on the machine's speed.
      batch, length: each step sees `batch` windows of `length` tokens.
      matrix_rate, other_rate: peak learning rates of the matrices in the blocks (Muon) and of
        everything else (AdamW).
    """

    steps: int
    seconds: float = math.inf
    batch: int = 16
    length: int = 128
    matrix_rate: float = 0.02
    other_rate: float = 0.005

    def factor(self, fraction: float) -> float:
        """On the learning rates when that fraction of the training is done: up, level, down."""
        return min(1.0, 0.05 + fraction / 0.05, (1.0 - fraction) / 0.6)


def train(model: CausalLM, stream: Tensor, schedule: Schedule, seed: int = 0) -> list[float]:
    """Trains on random windows of the token stream [N]; returns the loss of every step."""
    generator = torch.Generator().manual_seed(seed)
    optimizers = _optimizers(model, schedule)
    window = torch.arange(schedule.length + 1)
    losses: list[float] = []
    start, fraction = time.monotonic(), 0.0
    with Progress("training", 100) as progress:
        while fraction < 1:
            shape = (schedule.batch, 1)
            places = torch.randint(len(stream) - schedule.length, shape, generator=generator)
            loss = loss_of(model, stream[places + window].to(model.cos.device))
            model.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer, rate in optimizers:
                optimizer.param_groups[0]["lr"] = rate * schedule.factor(fraction)
                optimizer.step()
            losses.append(loss.item())
            elapsed = time.monotonic() - start
            fraction = min(1.0, max(len(losses) / schedule.steps, elapsed / schedule.seconds))
            progress.advance_to(int(100 * fraction), f"loss {losses[-1]:.2f}")
    return losses


def _optimizers(model: CausalLM, schedule: Schedule) -> list[tuple[torch.optim.Optimizer, float]]:
    """Pairs of an optimizer and its peak learning rate."""
    matrices = [p for p in model.blocks.parameters() if p.dim() == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    return [
        (Muon(matrices, schedule.matrix_rate), schedule.matrix_rate),
        (torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0), schedule.other_rate),
    ]


def gradient_difference(model: CausalLM, ids: Tensor) -> float:
    """Largest difference between our gradient and eager's over all weights.

    Relative to the largest entry of each weight's eager gradient. ids [B, S + 1].
    """
    weights = list(model.parameters())
    ours = torch.autograd.grad(loss_of(model, ids, flash_attention), weights)
    eager = torch.autograd.grad(loss_of(model, ids, eager_attention), weights)
    gaps = [(a - b).abs().max() / b.abs().max() for a, b in zip(ours, eager, strict=True)]
    return torch.stack(gaps).max().item()
