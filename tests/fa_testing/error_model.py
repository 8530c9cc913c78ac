"""How far a correct kernel may be from the oracle, element by element (docs/tolerances.md).

Rounding model: fp32 scores, probabilities and sums; a sum of L products errs by at most
(sqrt(L) + c) units of its sum of absolute products (rounding errors are independent, so they add
as sqrt(L), not L); the result is rounded once to the output dtype. MARGIN covers the tail of that
statistical statement and constants below one. Nothing here was fitted to the kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_testing.oracle import Attention, Gradients, alibi_distance, tokens_first

MARGIN = 2.0
U32 = 2.0**-24
# Probabilities and results below fp32's normal range may be flushed to zero.
FLUSH = 2.0**-126

UNIT_ROUNDOFF = {
    torch.float64: 2.0**-53,
    torch.float32: U32,
    torch.float16: 2.0**-11,
    torch.bfloat16: 2.0**-8,
}
HALF_SUBNORMAL = {
    torch.float64: 0.0,
    torch.float32: FLUSH,
    torch.float16: 2.0**-25,
    torch.bfloat16: FLUSH,
}
# The instruction sets that round P (and dS) of bf16 tensors to bf16 (`wide`: test builds).
PAIR_ISAS = ("avx512bf16", "wide")


@dataclass(frozen=True)
class Precision:
    """Roundings of a back end.

    Attributes:
      out: dtype of the results. saved: dtype of the output that the backward pass reads again.
      p: unit roundoff of P as fed to the second product (2^-24 where it stays fp32).
      p_backward: unit roundoff of P and dS as fed to the products of the backward pass.
      p_tiny: probabilities below it may be lost.
      tanh_by_exp: softcap's tanh(x) is 1 - 2 / (exp(2x) + 1), exact near 1 and not near 0.
    """

    out: torch.dtype
    saved: torch.dtype
    p: float = U32
    p_backward: float = U32
    p_tiny: float = FLUSH
    tanh_by_exp: bool = False

    @staticmethod
    def of(dtype: torch.dtype) -> Precision:
        """fp32 inside, results in `dtype`: what most CPU kernels promise."""
        return Precision(dtype, dtype)

    @staticmethod
    def of_cpu(inputs: torch.dtype, out: torch.dtype, isa: str, *, qv: bool = False) -> Precision:
        """What the CPU kernels of an instruction set promise for inputs and results of a dtype.

        With `qv` the backward stays in fp32.
        """
        if inputs == torch.bfloat16 and isa in PAIR_ISAS:
            unit = UNIT_ROUNDOFF[inputs]
            return Precision(out, out, p=unit, p_backward=U32 if qv else unit)
        return Precision.of(out)

    @staticmethod
    def of_npu(dtype: torch.dtype) -> Precision:
        """What the NPU kernels promise: fp32 inside, but the matrix unit takes P in `dtype`."""
        p, tiny = UNIT_ROUNDOFF[dtype], HALF_SUBNORMAL[dtype]
        return Precision(dtype, dtype, p, p, tiny, tanh_by_exp=True)


def rounding(dtype: torch.dtype, x: Tensor) -> Tensor:
    """Error of the conversion of x to `dtype`."""
    return UNIT_ROUNDOFF[dtype] * x.abs() + HALF_SUBNORMAL[dtype]


@dataclass
class ForwardError:
    """Bounds without the margin. `scores` [H, n, m] absolute, `row` [H, n] relative error of p."""

    scores: Tensor
    row: Tensor
    lse: Tensor
    out: Tensor  # [H, n, Dv]
    saved: Tensor  # of the output as the backward pass reads it


def score_error(
    a: Attention,
    precision: Precision,
    shift: Tensor | None,
    q_error: Tensor | None,
    scaled: bool = False,
) -> Tensor:
    """Absolute error of each score before exp, [H, n, m].

    C = scale * sum|q||k| (+ sum|qv||v|) is the magnitude of the products. One unit each for the
    scale, the conversion to the exponential's base and the two operands of the subtraction of the
    maximum: sqrt(D) + 4. `scaled` keys and values, those of an int8 cache, enter the products as
    codes: a unit more for their scale times the softmax's, and two where qv takes the ratio of both
    scales. `q_error` [H, n, D] is what is unknown about rotated queries.
    """
    scale = abs(a.scoring.scale)
    size = scale * (a.q.abs() @ a.k.abs().transpose(1, 2))
    dim = a.q.shape[2]
    if a.qv is not None:
        size = size + scale * (a.qv.abs() @ a.v.abs().transpose(1, 2))
        dim += a.qv.shape[2]
    units = math.sqrt(dim) + 4.0
    if scaled:
        units += 1.0 if a.qv is None else 3.0
    error = U32 * units * size
    if q_error is not None:
        error = error + scale * (q_error @ a.k.abs().transpose(1, 2))
    if a.tanh is not None:
        # tanh compresses the incoming error by its slope and adds its own four units.
        error = error * (1.0 - a.tanh**2) + 4.0 * U32 * a.scoring.softcap * a.tanh.abs()
        if precision.tanh_by_exp:
            # f = 2 / (exp + 1): exp and its argument move it by less than a unit of 1; the sum, the
            # quotient and the product with the cap by a unit of f each.
            error = error + U32 * a.scoring.softcap * (1.0 + 3.0 * (1.0 - a.tanh))
    if a.scoring.alibi is not None:
        slope = a.scoring.alibi[:, None, None]
        bias = slope * alibi_distance(*a.seen.shape)
        if shift is not None:
            bias = bias + shift.abs()[:, :, None]
        error = error + 4.0 * U32 * bias
    return error.masked_fill(~a.seen, 0.0)


def forward_error(
    a: Attention,
    precision: Precision,
    shift: Tensor | None = None,
    q_error: Tensor | None = None,
    scaled: bool = False,
) -> ForwardError:
    """`shift` [H, n] is what the API adds to the LSE (v2 ALiBi); `scaled`: an int8 cache, whose
    values' scale is one more factor of the output."""
    scores = score_error(a, precision, shift, q_error, scaled)
    count = a.seen.sum(1).double()
    reported = finite(a.lse) if shift is None else finite(a.lse) + shift.abs()
    worst = scores.amax(2) if scores.shape[2] else torch.zeros_like(a.lse)
    if a.scoring.sink is not None:
        worst = worst + 2.0 * U32 * a.scoring.sink.abs()[:, None]
    row = worst + U32 * (count.sqrt() + reported.abs() + 4.0)
    magnitude = a.kept @ a.v.abs()
    lost = precision.p_tiny * (a.seen.double() @ a.v.abs())
    factors = precision.p + (2.0 * U32 if scaled else 0.0)
    unrounded = (row + factors)[:, :, None] * magnitude + lost
    out = rounding(precision.out, a.out) + unrounded
    saved = rounding(precision.saved, a.out) + unrounded
    return ForwardError(scores, row, row, out, saved)


def finite(x: Tensor) -> Tensor:
    return x.masked_fill(~torch.isfinite(x), 0.0)


@dataclass
class BackwardError:
    """Bounds without the margin, token-major like the gradients."""

    dq: Tensor
    dk: Tensor
    dv: Tensor
    dqv: Tensor | None
    dsink: Tensor | None


def backward_error(
    a: Attention,
    g: Gradients,
    dout: Tensor,
    dlse: Tensor | None,
    forward: ForwardError,
    precision: Precision,
) -> BackwardError:
    """Propagates the roundings of the recomputation (derivation: docs/tolerances.md).

    P is recomputed from the scores and the stored LSE, delta from the stored, rounded output.
    """
    dout = dout.transpose(0, 1).abs()
    dlse_size = 0.0 if dlse is None else dlse.abs()
    keep: Tensor | float = 1.0
    if a.scoring.keep is not None:
        keep = a.scoring.keep / (1.0 - a.scoring.dropout)
    rho = 2.0 * forward.row  # scores once more, and the error of the stored LSE
    width = math.sqrt(a.v.shape[2])
    dprobs_error = U32 * (width + 2.0) * (dout @ a.v.abs().transpose(1, 2)) * keep
    delta_error = (dout * forward.saved).sum(-1)
    delta_error = delta_error + U32 * (width + 1.0) * (dout * a.out.abs()).sum(-1)
    size = g.dprobs.abs() + (g.delta.abs() + dlse_size)[:, :, None]
    inner = (g.dprobs - g.delta[:, :, None] + (0.0 if dlse is None else dlse[:, :, None])).abs()
    error = rho[:, :, None] * inner + dprobs_error + delta_error[:, :, None] + 3.0 * U32 * size
    if a.tanh is not None:
        slope = 1.0 - a.tanh**2
        bent = 8.0 * U32 + 2.0 * a.tanh.abs() * forward.scores / a.scoring.softcap
        error = error * slope + inner * bent
    lost = precision.p_tiny * a.seen
    dscores_error = abs(a.scoring.scale) * (a.probs * error + lost * size)
    dscores = g.dscores.abs()
    q_heads, kv_heads = a.q.shape[0], g.dk.shape[1]
    rows, columns = seen_counts(a)
    row_factor = (precision.p_backward + U32 * (rows.sqrt() + 3.0))[:, :, None]
    column_units = precision.p_backward + U32 * ((columns * (q_heads // kv_heads)).sqrt() + 3.0)
    column_factor = column_units[:, :, None]
    per_query = dscores_error + row_factor * dscores
    per_key = (dscores_error + column_factor.transpose(1, 2) * dscores).transpose(1, 2)
    kept_error = (rho[:, :, None] + column_factor.transpose(1, 2)) * a.kept + lost
    dv = kept_error.transpose(1, 2) @ dout
    dqv = None
    if a.qv is not None:
        dv = dv + per_key @ a.qv.abs()
        dqv = tokens_first(per_query @ a.v.abs(), q_heads)
        assert g.dqv is not None
        dqv = dqv + rounding(precision.out, g.dqv)
    return BackwardError(
        dq=tokens_first(per_query @ a.k.abs(), q_heads) + rounding(precision.out, g.dq),
        dk=tokens_first(per_key @ a.q.abs(), kv_heads) + rounding(precision.out, g.dk),
        dv=tokens_first(dv, kv_heads) + rounding(precision.out, g.dv),
        dqv=dqv,
        dsink=sink_error(a, g, dlse_size, rho, delta_error),
    )


def seen_counts(a: Attention) -> tuple[Tensor, Tensor]:
    """Keys per query [1, n] and queries per key [1, m]."""
    return a.seen.sum(1).double()[None], a.seen.sum(0).double()[None]


def sink_error(
    a: Attention, g: Gradients, dlse_size: Tensor | float, rho: Tensor, delta_error: Tensor
) -> Tensor | None:
    """fp32 error of dsink [H]; the caller adds the rounding to the sink's dtype."""
    if a.scoring.sink is None:
        return None
    sink = a.scoring.sink[:, None]
    share = torch.exp(sink - a.lse)
    units = rho + U32 * (sink.abs() + math.sqrt(max(a.q.shape[1], 1)) + 4.0)
    return (share * (units * (g.delta.abs() + dlse_size) + delta_error)).sum(1)
