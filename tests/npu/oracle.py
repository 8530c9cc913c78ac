"""Attention in fp64, and how far a kernel may be from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fa_testing.dropout_bits import head_bytes, threshold
from npu.forward_case import Case, Problem
from npu.halves import TINY, UNIT, Array, to_float64

FP32 = 2.0**-24
SLACK = 2.0


@dataclass
class Expected:
    out: Array  # [Sq, Hq, Dv]
    out_bound: Array
    lse: Array  # [Sq, Hq]
    lse_bound: Array
    probs: Array  # S_dmask [Sq, Hq, Sk]
    probs_bound: Array


def visible(case: Case, sq: int, sk: int) -> Array:
    """[Sq, Sk], aligned to the last query and the last key."""
    distance = np.arange(sk)[None, :] - (np.arange(sq)[:, None] + sk - sq)
    left, right = case.window
    keep = np.ones((sq, sk), bool)
    if left >= 0:
        keep &= distance >= -left
    if right >= 0:
        keep &= distance <= right
    if case.chunk:  # that of the key, and of the query's own position
        own = np.arange(sq)[:, None] + sk - sq
        keep &= np.arange(sk)[None, :] // case.chunk == own // case.chunk
    return keep


def kept_keys(case: Case, batch: int, head: int, sq: int, sk: int) -> Array:
    """[Sq, Sk]: what dropout keeps."""
    number = batch * case.q_heads + head
    return head_bytes(*case.rng_state, number, sq, sk) <= threshold(case.dropout)


@dataclass
class Head:
    """What belongs to one query head."""

    kept: Array  # by dropout [Sq, Sk]
    sink: float = -math.inf
    slope: float = 0.0


def head_of(problem: Problem, batch: int, head: int, sq: int, sk: int) -> Head:
    found = Head(kept_keys(problem.case, batch, head, sq, sk))
    if problem.sinks is not None:
        found.sink = float(problem.sinks[head])
    if problem.slopes is not None:
        found.slope = float(problem.slopes[batch, head])
    return found


def expected_head(case: Case, q: Array, k: Array, v: Array, head: Head) -> tuple[Array, ...]:
    """Of one head: the roundings of the probabilities, the output, and the sums in fp32."""
    kept = head.kept
    own = np.arange(len(q))[:, None] + len(k) - len(q)  # the position of each query
    scale = case.softmax_scale
    scores = scale * (q @ k.T)
    condition = abs(scale) * (np.abs(q) @ np.abs(k).T)
    error = FP32 * (2 + math.sqrt(q.shape[1])) * condition
    if case.softcap:
        scores = case.softcap * np.tanh(scores / case.softcap)
        error = error + 8 * FP32 * case.softcap
    if head.slope:
        bias = head.slope * np.abs(np.arange(len(k))[None, :] - own)
        error = error + 4 * FP32 * (bias + np.abs(scores))
        scores = scores - bias
    keep = visible(case, len(q), len(k))
    top = np.where(keep, scores, -np.inf).max(1, initial=head.sink)
    seen = np.isfinite(top)
    top = np.where(seen, top, 0.0)
    exp = np.where(keep, np.exp(scores - top[:, None]), 0.0)
    total = exp.sum(1) + np.exp(head.sink - top)
    probs = kept * exp / np.where(seen, total, 1.0)[:, None] / (1.0 - case.dropout)
    out, size = probs @ v, probs @ np.abs(v)
    worst = np.where(keep, error, 0.0).max(1, initial=0.0) + 4 * FP32 * (np.abs(top) + 2)
    sums = FP32 * (8 + math.sqrt(max(len(k), 1)))
    bound = UNIT[case.dtype] * (np.abs(out) + size) + (2 * worst[:, None] + sums) * size
    lost = keep @ np.abs(v) / (1.0 - case.dropout)
    bound += TINY[case.dtype] * (1 + lost / np.where(seen, total, 1.0)[:, None])
    with np.errstate(divide="ignore"):
        lse = np.where(seen, top + np.log(total), np.nan)
    lse_bound = SLACK * (worst + sums + 4 * FP32 * np.abs(lse))
    if case.alibi == "columns":  # a bias of slope * column
        lse += head.slope * own[:, 0]
        lse_bound += 4 * FP32 * np.abs(head.slope * own[:, 0])
    exp_bound = SLACK * ((UNIT[case.dtype] + 2 * worst[:, None]) * exp + TINY[case.dtype])
    return out, SLACK * bound, lse, lse_bound, np.where(kept, exp, -exp), exp_bound


def expected(problem: Problem, batch: int, q: Array, k: Array, v: Array) -> Expected:
    case = problem.case
    group = case.q_heads // case.kv_heads
    heads = [
        expected_head(
            *(case, q[:, h], k[:, h // group], v[:, h // group]),
            head_of(problem, batch, h, len(q), len(k)),
        )
        for h in range(case.q_heads)
    ]
    return Expected(*(np.stack(part, axis=1) for part in zip(*heads, strict=True)))


def disagreements(problem: Problem) -> list[str]:
    """What is wrong with the results; empty if nothing is."""
    case, wrong = problem.case, []
    for b, (q, k, v) in enumerate(zip(problem.q, problem.k, problem.v, strict=True)):
        if case.qv:  # q k^T + qv v^T
            q, k = np.concatenate([q, problem.qv[b]], 2), np.concatenate([k, v], 2)
        want = expected(problem, b, q, k, v)
        got = to_float64(np.ascontiguousarray(problem.out[b]), case.dtype)
        excess = np.abs(got - want.out) / want.out_bound
        if not (np.abs(got - want.out) <= want.out_bound).all():
            wrong.append(f"sequence {b}: out is {np.nanmax(excess)} bounds off, {_where(excess)}")
        if problem.probs is not None:
            wrong += _wrong_probs(problem, b, want)
        if case.lse == "none":
            continue
        seen = ~np.isnan(want.lse)
        lse = problem.lse[b]
        if not (np.abs(lse - want.lse)[seen] <= want.lse_bound[seen]).all():
            wrong.append(f"sequence {b}: lse is off by {np.abs(lse - want.lse)[seen].max()}")
        if not (lse[~seen] == float(case.lse)).all() or np.any(got[~seen] != 0):
            wrong.append(f"sequence {b}: rows without keys are not 0 and {case.lse}")
    return wrong


def _wrong_probs(problem: Problem, batch: int, want: Expected) -> list[str]:
    assert problem.probs is not None
    got = to_float64(problem.probs[batch], problem.case.dtype).transpose(1, 0, 2)
    whole, bound = np.zeros_like(got), np.zeros_like(got)
    sq, _, sk = want.probs.shape
    whole[:sq, :, :sk], bound[:sq, :, :sk] = want.probs, want.probs_bound
    bound[whole == 0] = 0  # keys that no row sees
    bad = ~(np.abs(got - whole) <= bound)
    if not bad.any():
        return []
    at = tuple(np.argwhere(bad)[0])
    return [f"sequence {batch}: S_dmask is {got[at]} not {whole[at]} at (query, head, key) {at}"]


def _where(excess: Array) -> str:
    bad = ~(excess <= 1)
    return f"{bad.sum()} of {bad.size}, first (query, head, column) {np.argwhere(bad)[0]}"
