"""Results beside out, lse and the gradients: S_dmask of v2 and the split partials of v3."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fa_testing.backends import Outcome
from fa_testing.case import Case
from fa_testing.compare import Mismatch, compare
from fa_testing.error_model import MARGIN, U32, Precision, rounding, score_error
from fa_testing.expected import Expected, Target
from fa_testing.oracle import Attention, combine


def probs_target(a: Attention, dtype: torch.dtype) -> Target:
    """exp(score - row maximum), negative where dropped, [H, n, m]."""
    top = a.scores.amax(2, keepdim=True) if a.scores.shape[2] else a.scores.sum(2, keepdim=True)
    size = torch.exp(a.scores - top.masked_fill(top == -math.inf, 0.0))
    assert a.scoring.keep is not None
    error = score_error(a, Precision.of(dtype), None, None)
    worst = 2.0 * error.amax(2, keepdim=True) if error.shape[2] else error
    bound = MARGIN * (size * (worst + 4.0 * U32) + rounding(dtype, size))
    return Target(torch.where(a.scoring.keep, size, -size), bound)


def check_probs(case: Case, outcome: Outcome, expected: Expected) -> list[Mismatch]:
    """S_dmask: empty without dropout, else [B, Hq, R(Sq), R(Skv)] with R rounding up to 128."""
    if outcome.probs is None:
        return []
    if case.dropout == 0:
        whole = Target.filled((0,))
    else:
        rows, columns = (-(-n // 128) * 128 for n in (max_lengths(case)))
        whole = Target.filled((case.b, case.hq, rows, columns))
        for entry, a in zip(expected.entries, expected.attentions, strict=True):
            part = probs_target(a, outcome.probs.dtype)
            n, m = a.seen.shape
            whole.value[entry.index, :, :n, :m] = part.value
            whole.bound[entry.index, :, :n, :m] = part.bound
    found = compare("S_dmask", outcome.probs, whole)
    return [] if found is None else [found]


def max_lengths(case: Case) -> tuple[int, int]:
    return max(case.q_lens, default=case.sq), max(case.kv_lens, default=case.skv)


def partial_shape(case: Case, out: Tensor) -> tuple[int, ...]:
    """Expected shape of lse_accum."""
    if case.packed_q:
        return (case.splits, out.shape[1], out.shape[0])
    return (case.splits, out.shape[0], out.shape[2], out.shape[1])


def check_partials(case: Case, outcome: Outcome, expected: Expected) -> list[Mismatch]:
    """out_accum and lse_accum of v3: empty unless split; merged, they are out and lse again."""
    if not outcome.partials:
        return []
    out_accum, lse_accum = outcome.partials
    if case.splits <= 1:
        found = [compare("out_accum", out_accum, Target.filled((0,)))]
        found.append(compare("lse_accum", lse_accum, Target.filled((0,))))
        return [mismatch for mismatch in found if mismatch is not None]
    shape = partial_shape(case, outcome.results["out"])
    if tuple(lse_accum.shape) != shape or tuple(out_accum.shape) != (*shape, case.value_dim):
        got = f"got {list(out_accum.shape)} and {list(lse_accum.shape)}, expected {list(shape)}"
        return [Mismatch("partials", f"shape: {got} (and the value dim)")]
    if case.sink:
        return []  # where the sink joins is the kernel's business
    out, lse = combine(out_accum.double(), lse_accum.double())
    target = expected.targets["lse"]
    hidden = torch.isfinite(target.value)
    found = [
        compare("lse_accum", lse.masked_fill(~hidden, 0.0), finite_target(target)),
        compare("out_accum", out.movedim(-3, -2), expected.targets["out"]),
    ]
    return [mismatch for mismatch in found if mismatch is not None]


def finite_target(target: Target) -> Target:
    odd = ~torch.isfinite(target.value)
    return Target(target.value.masked_fill(odd, 0.0), target.bound.masked_fill(odd, 0.0))
