"""Attention of one batch entry in fp64: the defining formulas, no tiles, no online softmax.

Everything here takes the queries, keys and values of a single sequence, already gathered from
whatever layout the API used (`sequences.py` does that). Heads are expanded, scores are a full
[H, Sq, Skv] array. `tests/unit/test_oracle.py` checks it against loops, SDPA and autograd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mask:
    """Which keys a query sees. Sides are inclusive distances, negative = open; chunk 0 = off."""

    left: int = -1
    right: int = -1
    chunk: int = 0

    @property
    def open(self) -> bool:
        return self.left < 0 and self.right < 0 and self.chunk == 0

    def visible(self, q_len: int, kv_len: int) -> Tensor:
        """bool [q_len, kv_len], aligned to the bottom-right corner."""
        diagonal = torch.arange(q_len)[:, None] + (kv_len - q_len)
        key = torch.arange(kv_len)[None, :]
        seen = torch.ones(q_len, kv_len, dtype=torch.bool)
        if self.left >= 0:
            seen &= key >= diagonal - self.left
        if self.right >= 0:
            seen &= key <= diagonal + self.right
        if self.chunk > 0:
            first = torch.div(diagonal, self.chunk, rounding_mode="floor") * self.chunk
            seen &= (key >= first) & (key < first + self.chunk)
        return seen


def resolve_mask(
    api: int, causal: bool, window: tuple[int, int], chunk: int, max_q: int, max_kv: int
) -> Mask:
    """The window after the originals' host-side clamps.

    v2 opens a side of at least `max_kv` tokens, v3 a left side of at least max_kv - 1 and a right
    side of at least max_q - 1. `max_q`, `max_kv` are tensor sizes or the max_seqlen arguments.
    """
    left, right = (side if side >= 0 else -1 for side in window)
    if api == 2:
        right = 0 if causal else right
        left = -1 if left >= max_kv else left
        right = -1 if right >= max_kv and not causal else right
    else:
        left = -1 if left >= max_kv - 1 else left
        right = -1 if right >= max_q - 1 else right
        right = 0 if causal else right
    return Mask(left, right, chunk)


@dataclass(frozen=True)
class Scoring:
    """How raw products become scores. Tensors are fp64.

    Attributes:
      alibi: slope per q head [H] or None. sink: [H] or None.
      keep: bool [H, Sq, Skv], which probabilities dropout keeps, or None; dropout: its p.
    """

    scale: float
    softcap: float = 0.0
    alibi: Tensor | None = None
    sink: Tensor | None = None
    keep: Tensor | None = None
    dropout: float = 0.0


@dataclass
class Attention:
    """Forward result of one entry and what the error model and the backward pass need.

    Shapes: H q heads, n = Sq queries, m = Skv keys. lse is natural, -inf for rows that see nothing.
    """

    q: Tensor  # [H, n, D]
    k: Tensor  # [H, m, D]
    v: Tensor  # [H, m, Dv]
    qv: Tensor | None
    scoring: Scoring
    seen: Tensor  # bool [n, m]
    tanh: Tensor | None  # [H, n, m] of the softcap
    scores: Tensor  # [H, n, m], -inf where not seen
    probs: Tensor  # [H, n, m] before dropout
    kept: Tensor  # [H, n, m] after dropout and its scaling
    out: Tensor  # [H, n, Dv]
    lse: Tensor  # [H, n]


def heads_first(x: Tensor, q_heads: int) -> Tensor:
    """[tokens, heads, dim] -> [q_heads, tokens, dim], repeating shared heads."""
    return x.transpose(0, 1).repeat_interleave(q_heads // x.shape[1], dim=0)


def raw_scores(q: Tensor, k: Tensor, qv: Tensor | None, v: Tensor) -> Tensor:
    s = q @ k.transpose(1, 2)
    return s if qv is None else s + qv @ v.transpose(1, 2)


def alibi_distance(n: int, m: int) -> Tensor:
    """|i + m - n - j| as [n, m]."""
    diagonal = torch.arange(n, dtype=torch.float64)[:, None] + (m - n)
    return (diagonal - torch.arange(m, dtype=torch.float64)[None, :]).abs()


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask, scoring: Scoring, qv: Tensor | None = None
) -> Attention:
    """Attention of q [Sq, Hq, D] on k [Skv, Hkv, D], v [Skv, Hkv, Dv], all fp64."""
    q_heads = q.shape[1]
    q, k, v = q.transpose(0, 1), heads_first(k, q_heads), heads_first(v, q_heads)
    qv = None if qv is None else qv.transpose(0, 1)
    n, m = q.shape[1], k.shape[1]
    scores = raw_scores(q, k, qv, v) * scoring.scale
    tanh = None
    if scoring.softcap > 0:
        tanh = torch.tanh(scores / scoring.softcap)
        scores = tanh * scoring.softcap
    if scoring.alibi is not None:
        scores = scores - scoring.alibi[:, None, None] * alibi_distance(n, m)
    seen = mask.visible(n, m)
    scores = scores.masked_fill(~seen, -math.inf)
    lse = log_sum_exp(scores, scoring.sink)
    safe = lse.masked_fill(lse == -math.inf, 0.0)
    probs = torch.exp(scores - safe[:, :, None])
    kept = probs
    if scoring.keep is not None:
        kept = probs * scoring.keep / (1.0 - scoring.dropout)
    return Attention(q, k, v, qv, scoring, seen, tanh, scores, probs, kept, kept @ v, lse)


def log_sum_exp(scores: Tensor, sink: Tensor | None) -> Tensor:
    """Log of the softmax denominator [H, n]; a sink adds exp(sink) to it, and no value."""
    if sink is not None:
        column = sink[:, None, None].expand(*scores.shape[:2], 1)
        scores = torch.cat([scores, column], dim=2)
    if scores.shape[2] == 0:
        return torch.full(scores.shape[:2], -math.inf, dtype=torch.float64)
    return torch.logsumexp(scores, dim=2)


def alibi_lse_shift(api: int, mask: Mask, alibi: Tensor, n: int, m: int) -> Tensor:
    """[H, n] that v2 adds to the LSE: its purely causal form biases by slope * key instead."""
    if api == 2 and mask.left < 0 and mask.right == 0:
        diagonal = torch.arange(n, dtype=torch.float64) + (m - n)
        return alibi[:, None] * diagonal
    return torch.zeros(alibi.shape[0], n, dtype=torch.float64)


@dataclass
class Gradients:
    """Gradients of one entry; token-major like the inputs, shared heads summed."""

    dq: Tensor  # [Sq, Hq, D]
    dk: Tensor  # [Skv, Hkv, D]
    dv: Tensor  # [Skv, Hkv, Dv]
    dqv: Tensor | None  # [Sq, Hq, Dv]
    dsink: Tensor | None  # [Hq]
    # Intermediate terms for the error model, all [H, n, m] or [H, n].
    dprobs: Tensor
    delta: Tensor
    dscores: Tensor  # gradient of the raw products


def tokens_first(x: Tensor, heads: int) -> Tensor:
    """[q_heads, tokens, dim] -> [tokens, heads, dim], summing heads that share one."""
    shared: Tensor = x.unflatten(0, (heads, x.shape[0] // heads))
    return shared.sum(1).transpose(0, 1)


def differentiate(a: Attention, dout: Tensor, dlse: Tensor | None, kv_heads: int) -> Gradients:
    """Gradients by the closed formulas for dout [Sq, Hq, Dv] and dlse [Hq, Sq], all fp64."""
    dout = dout.transpose(0, 1)
    q_heads, n = a.lse.shape
    dlse = torch.zeros(q_heads, n, dtype=torch.float64) if dlse is None else dlse
    dprobs = dout @ a.v.transpose(1, 2)
    if a.scoring.keep is not None:
        dprobs = dprobs * a.scoring.keep / (1.0 - a.scoring.dropout)
    delta = (dout * a.out).sum(-1)
    dscores = a.probs * (dprobs - delta[:, :, None] + dlse[:, :, None])
    if a.tanh is not None:
        dscores = dscores * (1.0 - a.tanh**2)
    dscores = dscores * a.scoring.scale
    dv = a.kept.transpose(1, 2) @ dout
    dqv = None
    if a.qv is not None:
        dv = dv + dscores.transpose(1, 2) @ a.qv
        dqv = tokens_first(dscores @ a.v, q_heads)
    dsink = None
    if a.scoring.sink is not None:
        share = torch.exp(a.scoring.sink[:, None] - a.lse)
        dsink = (share * (dlse - delta)).sum(1)
    return Gradients(
        dq=tokens_first(dscores @ a.k, q_heads),
        dk=tokens_first(dscores.transpose(1, 2) @ a.q, kv_heads),
        dv=tokens_first(dv, kv_heads),
        dqv=dqv,
        dsink=dsink,
        dprobs=dprobs,
        delta=delta,
        dscores=dscores,
    )


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """RoPE of x [n, H, D] with cos, sin [n, rotary_dim / 2]; dims past rotary_dim are kept."""
    half = cos.shape[1]
    cos, sin = cos[:, None, :], sin[:, None, :]
    if interleaved:
        first, second = x[..., 0 : 2 * half : 2], x[..., 1 : 2 * half : 2]
    else:
        first, second = x[..., :half], x[..., half : 2 * half]
    turned = (first * cos - second * sin, second * cos + first * sin)
    if interleaved:
        turned_x = torch.stack(turned, dim=-1).flatten(-2)
    else:
        turned_x = torch.cat(turned, dim=-1)
    return torch.cat([turned_x, x[..., 2 * half :]], dim=-1)


def combine(out_partial: Tensor, lse_partial: Tensor) -> tuple[Tensor, Tensor]:
    """Merges partial attentions: out [S, ..., D], lse [S, ...] over the leading split dim.

    Splits with lse = -inf carry no weight; rows where all are give out 0 and lse -inf.
    """
    lse = torch.logsumexp(lse_partial, dim=0)
    weights = torch.exp(lse_partial - lse.masked_fill(lse == -math.inf, 0.0))
    parts = out_partial.masked_fill(weights[..., None] == 0, 0.0)
    return (weights[..., None] * parts).sum(0), lse
