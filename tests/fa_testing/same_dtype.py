"""The secondary check: at most twice the error of plain PyTorch in the same dtype.

It says nothing about how a kernel rounds, so it guards the error model itself.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from fa_testing.case import Case
from fa_testing.compare import Mismatch, unravel
from fa_testing.error_model import UNIT_ROUNDOFF
from fa_testing.expected import Expected, Target
from fa_testing.fill import DTYPES
from fa_testing.inputs import Inputs
from fa_testing.oracle import Attention, alibi_distance, heads_first
from fa_testing.sequences import Entry

FACTOR = 2.0
# Plain PyTorch can be exact by luck (one visible key: its softmax gradient is exactly 0), so the
# comparison allows on top what fp32 arithmetic, the saved output (from which every FlashAttention
# recomputes rowsum(dout * out)) and some units of the result's dtype explain.
FLOOR_UNITS = 4.0


@cache
def has_attention(dtype: torch.dtype) -> bool:
    """Whether this torch can compute attention in `dtype`: not in fp8, if it is old not in fp16."""
    x = torch.ones(1, 1, 1, dtype=torch.float32).to(dtype)
    try:
        torch.softmax(x @ x, dim=2)
    except RuntimeError:
        return False
    return dtype != torch.float8_e4m3fn


def plain_attention(
    a: Attention, q: Tensor, k: Tensor, v: Tensor, qv: Tensor | None
) -> tuple[Tensor, Tensor]:
    """softmax(scale * q k^T) v, every operation in the dtype of q: out [H, n, Dv], lse [H, n]."""
    scoring, dtype, heads = a.scoring, q.dtype, q.shape[0]
    scores = (q * scoring.scale) @ k.transpose(1, 2)
    if qv is not None:
        scores = scores + (qv * scoring.scale) @ v.transpose(1, 2)
    if scoring.softcap > 0:
        scores = torch.tanh(scores / scoring.softcap) * scoring.softcap
    if scoring.alibi is not None:
        bias = scoring.alibi[:, None, None] * alibi_distance(*a.seen.shape)
        scores = scores - bias.to(dtype)
    some = a.seen.any(1)[:, None]
    scores = scores.masked_fill(~a.seen & some, -math.inf)
    if scoring.sink is not None:
        sink = scoring.sink.to(dtype)[:, None, None].expand(heads, scores.shape[1], 1)
        scores = torch.cat([scores, sink], dim=2)
    probs = torch.softmax(scores, dim=2)[..., : a.seen.shape[1]].masked_fill(~some, 0.0)
    if scoring.keep is not None:
        probs = (probs * scoring.keep) / (1.0 - scoring.dropout)
    lse = torch.logsumexp(scores, dim=2) if scores.shape[2] else scores.sum(2)
    return probs @ v, lse.masked_fill(~some[:, 0], 0.0)


def plain_entry(case: Case, x: Inputs, entry: Entry, a: Attention) -> dict[str, Tensor]:
    """Results of one entry, token-major, computed in the input dtype by PyTorch and autograd."""
    dtype = DTYPES[case.dt]
    group = case.group
    leaves = [t.to(dtype) for t in (a.q, a.k[::group], a.v[::group])]
    with torch.enable_grad():
        q, k, v = (t.requires_grad_(case.backward) for t in leaves)
        qv = None if a.qv is None else a.qv.to(dtype)
        key, value = (heads_first(t.transpose(0, 1), case.hq) for t in (k, v))
        out, lse = plain_attention(a, q, key, value, qv)
        results = {"out": out.detach().transpose(0, 1)}
        if case.backward:
            assert x.dout is not None
            loss = (out * entry.q.read(x.dout).transpose(0, 1).to(dtype)).sum()
            if x.dlse is not None:
                loss = loss + (lse * entry_rows(case, x.dlse, entry).to(dtype)).sum()
            gradients = torch.autograd.grad(loss, (q, k, v))
            named = zip(("dq", "dk", "dv"), gradients, strict=True)
            results |= {name: g.transpose(0, 1) for name, g in named}
    return results


def entry_rows(case: Case, rows: Tensor, entry: Entry) -> Tensor:
    """The part [H, n] of an LSE-shaped tensor that belongs to `entry`."""
    n = entry.q.count
    begin = int(entry.q.tokens[0]) if n else 0
    return (rows if case.packed_q else rows[entry.index])[:, begin : begin + n]


def plain_results(case: Case, x: Inputs, expected: Expected) -> dict[str, Tensor]:
    """Plain results of all entries in the layout of the targets, fp64; other rows as expected."""
    names = ("out", "dq", "dk", "dv") if case.backward else ("out",)
    whole = {name: expected.targets[name].value.clone() for name in names}
    for entry, a in zip(expected.entries, expected.attentions, strict=True):
        for name, value in plain_entry(case, x, entry, a).items():
            place = entry.kv if name in ("dk", "dv") else entry.q
            place.write(whole[name], value)
    return whole


def compare_with_plain(
    name: str, actual: Tensor, plain: Tensor, target: Target, arithmetic: Target
) -> Mismatch | None:
    """Largest error of `actual` against twice that of `plain` plus the floor.

    `arithmetic` has the bounds of a kernel whose results are not rounded.
    """
    if actual.numel() == 0:
        return None
    actual = actual.detach()
    errors = (actual.double() - target.value).abs()
    unit = UNIT_ROUNDOFF[actual.dtype]
    floor = FLOOR_UNITS * unit * float(target.value.abs().max()) + float(arithmetic.bound.max())
    allowed = FACTOR * float((plain - target.value).abs().max()) + floor
    worst = int(errors.argmax())
    if float(errors.flatten()[worst]) <= allowed:
        return None
    index = unravel(worst, errors.shape)
    reason = "more than twice the error of PyTorch in the same dtype"
    return Mismatch(
        name, reason, index, float(actual[index]), float(target.value[index]), allowed, 1
    )
