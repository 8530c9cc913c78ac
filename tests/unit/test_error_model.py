"""The error model holds for an emulated kernel, and fails for kernels that are slightly wrong.

The emulation computes in fp32 as the tiled algorithms do: sums key by key, an online softmax over
tiles, the output rounded once, the backward pass from the rounded output and the fp32 LSE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from fa_testing.error_model import MARGIN, Precision, backward_error, forward_error, score_error
from fa_testing.fill import DTYPES, FILLS, Source, Values, make
from fa_testing.oracle import Attention, Mask, Scoring, attend, differentiate

TILE = 16


@dataclass(frozen=True)
class Defects:
    """What the emulated kernel does wrong."""

    round_p: bool = False  # P in the input dtype
    drop_key: int = -1
    drop_tile: int = -1
    forget_rescale: bool = False
    half_scores: bool = False  # scores in the input dtype


RIGHT = Defects()


def dot(a: Tensor, b: Tensor) -> Tensor:
    """a [H, n, L] times b [H, m, L] over L, term by term in fp32 (no blocked summation)."""
    total = torch.zeros(*a.shape[:2], b.shape[1])
    for i in range(a.shape[2]):
        total = total + a[:, :, None, i] * b[:, None, :, i]
    return total


def emulate_forward(
    a: Attention, dtype: torch.dtype, defects: Defects = RIGHT
) -> tuple[Tensor, Tensor]:
    """out [H, n, Dv] in `dtype` and lse [H, n] in fp32."""
    q, k, v = a.q.float(), a.k.float(), a.v.float()
    heads, n, m = q.shape[0], q.shape[1], k.shape[1]
    top, total = torch.full((heads, n), -math.inf), torch.zeros(heads, n)
    out = torch.zeros(heads, n, v.shape[2])
    for tile, begin in enumerate(range(0, m, TILE)):
        if tile == defects.drop_tile:
            continue
        keys = slice(begin, begin + TILE)
        s = dot(q, k[:, keys]) * a.scoring.scale
        if defects.half_scores:
            s = s.to(dtype).float()
        hidden = ~a.seen[:, keys]
        if begin <= defects.drop_key < begin + TILE:
            hidden = hidden | (torch.arange(begin, min(begin + TILE, m)) == defects.drop_key)
        s = s.masked_fill(hidden, -math.inf)
        new_top = torch.maximum(top, s.amax(2))
        base = new_top.masked_fill(new_top == -math.inf, 0.0)
        p = torch.exp(s - base[:, :, None])
        alpha = torch.exp(top - base)
        total = total * alpha + p.sum(2)
        if defects.round_p:
            p = p.to(dtype).float()
        if not defects.forget_rescale:
            out = out * alpha[:, :, None]
        out = out + dot(p, v[:, keys].transpose(1, 2))
        top = new_top
    result = out / total.masked_fill(total == 0, 1.0)[:, :, None]
    return result.to(dtype), torch.log(total) + top


def emulate_backward(
    a: Attention, out: Tensor, lse: Tensor, dout: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """dq, dk, dv [H, tokens, dim] in `dtype`, for dout [H, n, Dv]."""
    q, k, v, dout = a.q.float(), a.k.float(), a.v.float(), dout.float()
    delta = dot(dout.flatten(0, 1)[:, None], out.float().flatten(0, 1)[:, None]).reshape(lse.shape)
    s = (dot(q, k) * a.scoring.scale).masked_fill(~a.seen, -math.inf)
    p = torch.exp(s - lse.masked_fill(lse == -math.inf, 0.0)[:, :, None])
    ds = p * (dot(dout, v) - delta[:, :, None]) * a.scoring.scale
    dq = dot(ds, k.transpose(1, 2))
    dk = dot(ds.transpose(1, 2), q.transpose(1, 2))
    dv = dot(p.transpose(1, 2), dout.transpose(1, 2))
    return dq.to(dtype), dk.to(dtype), dv.to(dtype)


def problem(
    fill: str, dtype: torch.dtype, n: int = 24, m: int = 150, d: int = 64, right: int = 0
) -> Attention:
    source = Source.of(11)
    shapes = Values(source.normal(n, 2, d), source.normal(m, 2, d), source.normal(m, 2, d))
    x = make(fill, source, shapes)
    q, k, v = (t.to(dtype).double() for t in (x.q, x.k, x.v))
    return attend(q, k, v, Mask(right=right), Scoring(d**-0.5))


def worst(actual: Tensor, expected: Tensor, bound: Tensor) -> float:
    """Largest error in units of the bound without its margin."""
    error = (actual.double() - expected).abs()
    return float((error / bound).masked_fill(error == 0, 0.0).max())


def forward_ratios(
    a: Attention, dtype: torch.dtype, defects: Defects = RIGHT
) -> tuple[float, float]:
    out, lse = emulate_forward(a, dtype, defects)
    error = forward_error(a, Precision.of(dtype))
    return worst(out, a.out, error.out), worst(lse, a.lse, error.lse)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", [(24, 150, 64), (1, 300, 16), (40, 40, 512), (5, 9, 1)])
def test_bound_holds(dtype: str, fill: str, shape: tuple[int, int, int]) -> None:
    """Right kernels stay below the bound even without the margin."""
    kind = DTYPES[dtype]
    a = problem(fill, kind, *shape)
    out, lse = emulate_forward(a, kind)
    forward = forward_error(a, Precision.of(kind))
    ratios = {"out": worst(out, a.out, forward.out), "lse": worst(lse, a.lse, forward.lse)}
    dout = Source.of(3).normal(shape[0], 2, shape[2]).to(kind).double()
    g = differentiate(a, dout, None, kv_heads=2)
    error = backward_error(a, g, dout, None, forward, Precision.of(kind))
    gradients = emulate_backward(a, out, lse, dout.transpose(0, 1), kind)
    for name, value in zip(("dq", "dk", "dv"), gradients, strict=True):
        expected, bound = getattr(g, name), getattr(error, name)
        ratios[name] = worst(value.transpose(0, 1), expected, bound)
    assert all(ratio <= 1.0 for ratio in ratios.values()), ratios
    assert ratios["out"] > 0.0


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize(
    "defects",
    [
        Defects(drop_key=77),
        Defects(drop_key=0),
        Defects(drop_tile=3),
        Defects(forget_rescale=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("fill", ["normal", "flat", "needle"])
def test_missing_work_is_caught(dtype: str, defects: Defects, fill: str) -> None:
    kind = DTYPES[dtype]
    a = problem(fill, kind, right=-1)
    assert max(forward_ratios(a, kind, defects)) > MARGIN


@pytest.mark.parametrize("fill", ["cancel", "flat"])
def test_p_in_half_precision_is_caught(fill: str) -> None:
    """The wheels promise P in fp32, and the bound holds them to it."""
    a = problem(fill, torch.bfloat16, right=-1)
    rounded = Defects(round_p=True)
    assert forward_ratios(a, torch.bfloat16, rounded)[0] > MARGIN
    out, _ = emulate_forward(a, torch.bfloat16, rounded)
    allowed = forward_error(a, replace(Precision.of(torch.bfloat16), p=2.0**-8))
    assert worst(out, a.out, allowed.out) <= 1.0


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", [(24, 150, 64), (1, 300, 16), (40, 40, 256), (5, 9, 1)])
def test_bound_of_npu_kernels_holds(dtype: str, fill: str, shape: tuple[int, int, int]) -> None:
    """They round P to the inputs' dtype, after its sum is taken."""
    kind = DTYPES[dtype]
    a = problem(fill, kind, *shape)
    out, lse = emulate_forward(a, kind, Defects(round_p=True))
    error = forward_error(a, Precision.of_npu(kind))
    assert worst(out, a.out, error.out) <= 1.0
    assert worst(lse, a.lse, error.lse) <= 1.0


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("fill", ["normal", "flat", "needle"])
@pytest.mark.parametrize(
    "defects",
    [
        Defects(round_p=True, drop_key=77),
        Defects(round_p=True, drop_tile=3),
        Defects(round_p=True, forget_rescale=True),
    ],
    ids=str,
)
def test_missing_work_of_npu_kernels_is_caught(dtype: str, defects: Defects, fill: str) -> None:
    if defects.forget_rescale and fill == "flat":
        return  # maxima that hardly differ need hardly any rescaling
    kind = DTYPES[dtype]
    a = problem(fill, kind, right=-1)
    out, lse = emulate_forward(a, kind, defects)
    error = forward_error(a, Precision.of_npu(kind))
    assert max(worst(out, a.out, error.out), worst(lse, a.lse, error.lse)) > MARGIN


@pytest.mark.parametrize("isa", ["avx512", "avx512bf16"])
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16", "fp8"])
def test_only_pairs_of_bf16_round_p(isa: str, dtype: str) -> None:
    """P and dS are rounded on one unit and for one dtype, the sums of P never."""
    kind = DTYPES[dtype]
    out = torch.bfloat16 if dtype == "fp8" else kind
    promised = Precision.of_cpu(kind, out, isa)
    if (isa, dtype) == ("avx512bf16", "bf16"):
        assert promised == replace(Precision.of(out), p=2.0**-8, p_backward=2.0**-8)
        assert Precision.of_cpu(kind, out, isa, qv=True) == replace(Precision.of(out), p=2.0**-8)
        a = problem("normal", kind, right=-1)
        rounded, usual = (forward_error(a, p) for p in (promised, Precision.of(out)))
        assert torch.equal(rounded.lse, usual.lse)
        assert bool((rounded.out > usual.out).all())
    else:
        assert promised == Precision.of(out)


@pytest.mark.parametrize("cap", [1.0, 5.0, 30.0])
def test_tanh_by_exp(cap: float) -> None:
    """The bound of softcap holds where tanh comes from exp, and the other one does not."""
    x = torch.linspace(-12, 12, 20001)
    q = (x * cap).double()[None, :, None]
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    a = attend(q.transpose(0, 1), one, one, Mask(), Scoring(1.0, softcap=cap))
    scores = cap - cap * 2.0 / (torch.exp(2.0 * (x * cap) / cap) + 1.0)
    exact = cap * torch.tanh(q[0, :, 0] / cap)
    error = (scores.double() - exact).abs()
    own = score_error(a, Precision.of_npu(torch.float16), None, None)[0, :, 0]
    assert bool((error <= own).all())
    usual = score_error(a, Precision.of(torch.float16), None, None)[0, :, 0]
    assert bool((error > MARGIN * usual).any())


def test_scores_in_half_precision_are_caught() -> None:
    a = problem("normal", torch.bfloat16, right=-1)
    assert forward_ratios(a, torch.bfloat16, Defects(half_scores=True))[1] > MARGIN


@pytest.mark.parametrize("fill", ["normal", "cancel"])
def test_wrong_gradients_are_caught(fill: str) -> None:
    """A forgotten delta, a missing head, a shifted LSE."""
    a = problem(fill, torch.float32)
    dout = Source.of(3).normal(24, 2, 64)
    g = differentiate(a, dout, None, kv_heads=2)
    forward = forward_error(a, Precision.of(torch.float32))
    error = backward_error(a, g, dout, None, forward, Precision.of(torch.float32))
    out, lse = emulate_forward(a, torch.float32)
    heads = dout.transpose(0, 1)
    for wrong_out, wrong_lse in ((torch.zeros_like(out), lse), (out, lse + 2.0**-12)):
        dq, dk, _ = emulate_backward(a, wrong_out, wrong_lse, heads, torch.float32)
        assert worst(dq.transpose(0, 1), g.dq, error.dq) > MARGIN
        assert worst(dk.transpose(0, 1), g.dk, error.dk) > MARGIN


def test_unused_probabilities_may_underflow_but_not_more() -> None:
    a = problem("big", torch.float32, right=-1)
    error = forward_error(a, Precision.of(torch.float32))
    assert float(error.out.min()) > 0.0 and float(error.out.max()) < 0.05
