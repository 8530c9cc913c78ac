"""What a call must return: the oracle's values and the error model's bounds, in API layout."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fa_testing import dropout
from fa_testing.case import Case
from fa_testing.error_model import (
    MARGIN,
    U32,
    ForwardError,
    Precision,
    backward_error,
    forward_error,
    rounding,
)
from fa_testing.fill import DTYPES
from fa_testing.inputs import Inputs, default_scale, quantise
from fa_testing.oracle import (
    Attention,
    Mask,
    Scoring,
    alibi_lse_shift,
    attend,
    differentiate,
    resolve_mask,
    rotate,
)
from fa_testing.sequences import Entry, as_rows, find_entries


@dataclass
class Target:
    """Expected values in fp64 and the allowed distance, same shape."""

    value: Tensor
    bound: Tensor

    @staticmethod
    def filled(shape: tuple[int, ...], value: float = 0.0) -> Target:
        """Rows that no entry owns: exactly `value`."""
        whole = torch.full(shape, value, dtype=torch.float64)
        return Target(whole, torch.zeros(shape, dtype=torch.float64))


@dataclass
class Expected:
    """Targets by result name; entries and their attentions for checks that need more."""

    targets: dict[str, Target]
    entries: list[Entry] = field(default_factory=list)
    attentions: list[Attention] = field(default_factory=list)


def out_dtype(case: Case) -> torch.dtype:
    return torch.bfloat16 if case.dt == "fp8" else DTYPES[case.dt]


def cpu_precision(case: Case, isa: str) -> Precision:
    """What the CPU kernels of an instruction set promise for this case."""
    inputs = torch.int8 if case.int8 else DTYPES[case.dt]
    return Precision.of_cpu(inputs, out_dtype(case), isa, qv=case.qv)


def empty_lse(case: Case, x: Inputs) -> float:
    """LSE of a row that sees nothing: v2 +inf; v3 -inf, but +inf if there are no keys at all."""
    keys = x.k.shape[0] * x.k.shape[1] if x.k.dim() == 4 else x.k.shape[0]
    fresh = 0 if x.k_new is None else x.k_new[..., 0, 0].numel()
    return math.inf if case.api == 2 or keys + fresh == 0 else -math.inf


def case_mask(case: Case, x: Inputs) -> Mask:
    left, right = case.window
    return resolve_mask(case.api, case.causal, (left, right), case.chunk, x.max_q, x.max_k)


def append_new_keys(case: Case, x: Inputs, entries: list[Entry]) -> dict[str, Target]:
    """Writes the new keys into x's caches; returns what the caches must then hold.

    v is copied bit by bit, or quantised by a rule without freedom. Rotated keys are rounded to the
    dtype of q, where an fp32 rotation may fall on the other side of a rounding boundary: there, and
    only there, one unit is allowed.
    """
    bounds = {name: torch.zeros(getattr(x, name).shape, dtype=torch.float64) for name in "kv"}
    for entry in entries:
        if entry.new is None or entry.target is None:
            continue
        assert x.k_new is not None and x.v_new is not None
        key, value = entry.new.read(x.k_new), entry.new.read(x.v_new)
        doubt = torch.zeros_like(key)
        if x.cos is not None:
            positions = entry.rotary_at + torch.arange(entry.new.count)
            key, doubt = rotate_rounded(case, x, key, positions)
        if case.int8:
            key, doubt = quantised(key, doubt, x.k_descale, entry.index)
            value, _ = quantised(value, torch.zeros_like(value), x.v_descale, entry.index)
        as_rows(bounds["k"])[entry.target.rows, entry.target.tokens] = doubt
        entry.target.write(x.k, key)
        entry.target.write(x.v, value)
    return {f"{name}_cache": Target(getattr(x, name).double(), bounds[name]) for name in "kv"}


def quantised(
    tokens: Tensor, doubt: Tensor, scales: Tensor | None, index: int
) -> tuple[Tensor, Tensor]:
    """Codes of [tokens, heads, dim], and how far those of the values in doubt are from them."""
    assert scales is not None
    scale = (scales if scales.dim() == 1 else scales[index])[:, None]
    codes, low, high = (
        quantise(x, scale).double() for x in (tokens, tokens - doubt, tokens + doubt)
    )
    return codes, torch.maximum((codes - low).abs(), (codes - high).abs())


def rotate_rounded(
    case: Case, x: Inputs, tokens: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """RoPE in fp64, rounded to the input dtype, and how far an fp32 rotation may end from it."""
    assert x.cos is not None and x.sin is not None
    cos, sin = x.cos[positions].double(), x.sin[positions].double()
    turned = rotate(tokens, cos, sin, interleaved=not case.halves)
    size = rotate(tokens.abs(), cos.abs(), -sin.abs(), interleaved=not case.halves)
    size = torch.maximum(size, rotate(tokens.abs(), cos.abs(), sin.abs(), not case.halves).abs())
    dtype = DTYPES[case.dt]
    slack = 3.0 * U32 * size
    slack[..., case.rotary :] = 0.0
    rounded = turned.to(dtype).double()
    low, high = (turned - slack).to(dtype).double(), (turned + slack).to(dtype).double()
    return rounded, torch.maximum((rounded - low).abs(), (high - rounded).abs())


def read_queries(case: Case, x: Inputs, entry: Entry, mask: Mask) -> tuple[Tensor, Tensor | None]:
    """The entry's queries [n, H, D], rotated if asked, and what is unsure about them [H, n, D]."""
    q = entry.q.read(x.q)
    if x.cos is None:
        return q, None
    step = 0 if mask.open else 1
    positions = entry.rotary_at + step * torch.arange(entry.q.count)
    q, doubt = rotate_rounded(case, x, q, positions)
    return q, doubt.transpose(0, 1)


def descale(x: Tensor, factor: Tensor | None, index: int, heads: int) -> Tensor:
    """fp8 or int8 input [tokens, heads, dim] times its kv head's factor (q: per head group)."""
    if factor is None:
        return x
    own = factor if factor.dim() == 1 else factor[index]
    return x * own.double().repeat_interleave(heads // own.shape[0])[:, None]


def entry_attention(
    case: Case, x: Inputs, entry: Entry, mask: Mask, rng: tuple[int, int] | None
) -> tuple[Attention, Tensor | None]:
    q, q_error = read_queries(case, x, entry, mask)
    k, v = entry.kv.read(x.k), entry.kv.read(x.v)
    q = descale(q, x.q_descale, entry.index, case.hq)
    k = descale(k, x.k_descale, entry.index, case.hkv)
    v = descale(v, x.v_descale, entry.index, case.hkv)
    qv = None if x.qv is None else entry.q.read(x.qv)
    if qv is not None:
        qv = descale(qv, x.q_descale, entry.index, case.hq)
    alibi = None
    if x.alibi is not None:
        alibi = (x.alibi if x.alibi.dim() == 1 else x.alibi[entry.index]).double()
    keep = None
    if case.dropout > 0:
        assert rng is not None, "dropout: the call's rng_state is needed"
        n, m = entry.q.count, entry.kv.count
        keep = dropout.keep_mask(*rng, entry.index, case.hq, n, m, case.dropout)
    scoring = Scoring(
        scale=default_scale(case),
        softcap=case.softcap,
        alibi=alibi,
        sink=None if x.sink is None else x.sink.double(),
        keep=keep,
        dropout=case.dropout,
    )
    return attend(q, k, v, mask, scoring, qv), q_error


def place_rows(target: Tensor, case: Case, entry: Entry, value: Tensor) -> None:
    """Writes [H, n] into an LSE-shaped tensor, [B, H, S] or [H, T]."""
    begin, n = int(entry.q.tokens[0]) if entry.q.count else 0, entry.q.count
    where = target if case.packed_q else target[entry.index]
    where[:, begin : begin + n] = value


def place_tokens(target: Target, place_of: Entry, value: Tensor, bound: Tensor) -> None:
    place_of.q.write(target.value, value)
    place_of.q.write(target.bound, bound)


def expect(
    case: Case,
    x: Inputs,
    rng: tuple[int, int] | None = None,
    precision: Precision | None = None,
) -> Expected:
    """Runs the oracle on `x`, whose caches it updates as the call must.

    `precision` is that of fp32 kernels unless given; `rng` the call's dropout state.
    """
    entries = find_entries(case, x)
    targets = append_new_keys(case, x, entries) if case.cached else {}
    mask = case_mask(case, x)
    precision = precision or Precision.of(out_dtype(case))
    lead = x.q.shape[:-1]
    targets["out"] = Target.filled((*lead, case.value_dim))
    lse_shape = (case.hq, lead[0]) if case.packed_q else (case.b, case.hq, lead[1])
    targets["lse"] = Target.filled(lse_shape, empty_lse(case, x))
    collect = GradientTargets.of(case, x, precision) if case.backward else None
    attentions = []
    for entry in entries:
        a, q_error = entry_attention(case, x, entry, mask, rng)
        attentions.append(a)
        shift = None
        lse = a.lse
        if a.scoring.alibi is not None:
            shift = alibi_lse_shift(case.api, mask, a.scoring.alibi, *a.seen.shape)
            lse = lse + shift
        error = forward_error(a, precision, shift, q_error, bool(case.int8))
        lse = lse.masked_fill(a.lse == -math.inf, empty_lse(case, x))
        place_rows(targets["lse"].value, case, entry, lse)
        lse_bound = (MARGIN * error.lse).masked_fill(a.lse == -math.inf, 0.0)
        place_rows(targets["lse"].bound, case, entry, lse_bound)
        out_bound = MARGIN * error.out.transpose(0, 1)
        place_tokens(targets["out"], entry, a.out.transpose(0, 1), out_bound)
        if collect is not None:
            collect.add(entry, a, error)
    if collect is not None:
        targets.update(collect.finish())
    return Expected(targets, entries, attentions)


@dataclass
class GradientTargets:
    """Gradients of all entries, in the layout of q, k and v."""

    case: Case
    x: Inputs
    precision: Precision
    targets: dict[str, Target]

    @staticmethod
    def of(case: Case, x: Inputs, precision: Precision) -> GradientTargets:
        targets = {f"d{name}": Target.filled(tuple(getattr(x, name).shape)) for name in "qkv"}
        if x.qv is not None:
            targets["dqv"] = Target.filled(tuple(x.qv.shape))
        if x.sink is not None:
            targets["dsink"] = Target.filled((case.hq,))
        return GradientTargets(case, x, precision, targets)

    def add(self, entry: Entry, a: Attention, error: ForwardError) -> None:
        case, x = self.case, self.x
        assert x.dout is not None
        dout = entry.q.read(x.dout)
        dlse = None
        if x.dlse is not None:
            begin, n = int(entry.q.tokens[0]) if entry.q.count else 0, entry.q.count
            rows = x.dlse if case.packed_q else x.dlse[entry.index]
            dlse = rows[:, begin : begin + n].double()
            # The LSE of a row that sees nothing is a constant.
            dlse = dlse.masked_fill(a.lse == -math.inf, 0.0)
        g = differentiate(a, dout, dlse, case.hkv)
        bound = backward_error(a, g, dout, dlse, error, self.precision)
        for name, where in (("dq", entry.q), ("dk", entry.kv), ("dv", entry.kv), ("dqv", entry.q)):
            if name in self.targets:
                where.write(self.targets[name].value, getattr(g, name))
                where.write(self.targets[name].bound, MARGIN * getattr(bound, name))
        if g.dsink is not None and bound.dsink is not None:
            self.targets["dsink"].value += g.dsink
            self.targets["dsink"].bound += MARGIN * bound.dsink

    def finish(self) -> dict[str, Target]:
        if self.x.sink is not None:
            sink = self.targets["dsink"]
            sink.bound += MARGIN * rounding(self.x.sink.dtype, sink.value)
        return self.targets
