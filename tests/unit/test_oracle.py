"""The oracle against loops over scalars, PyTorch's SDPA, and autograd, all in fp64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fa_testing.oracle import (
    Mask,
    Scoring,
    alibi_lse_shift,
    attend,
    combine,
    differentiate,
    resolve_mask,
    rotate,
)

DOUBLE = torch.float64


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def visible_by_definition(mask: Mask, i: int, j: int, n: int, m: int) -> bool:
    r = i + m - n
    seen = (mask.left < 0 or j >= r - mask.left) and (mask.right < 0 or j <= r + mask.right)
    if mask.chunk:
        first = math.floor(r / mask.chunk) * mask.chunk
        seen = seen and first <= j < first + mask.chunk
    return seen


def attend_by_loops(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask, scoring: Scoring, qv: Tensor | None
) -> tuple[Tensor, Tensor]:
    n, heads, _ = q.shape
    m, kv_heads, value_dim = v.shape
    out, lse = torch.zeros(n, heads, value_dim, dtype=DOUBLE), torch.zeros(heads, n, dtype=DOUBLE)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        for i in range(n):
            total, weighted = 0.0, [0.0] * value_dim
            if scoring.sink is not None:
                total += math.exp(float(scoring.sink[h]))
            for j in range(m):
                if not visible_by_definition(mask, i, j, n, m):
                    continue
                s = sum(float(a) * float(b) for a, b in zip(q[i, h], k[j, kv], strict=True))
                if qv is not None:
                    s += sum(float(a) * float(b) for a, b in zip(qv[i, h], v[j, kv], strict=True))
                s *= scoring.scale
                if scoring.softcap:
                    s = scoring.softcap * math.tanh(s / scoring.softcap)
                if scoring.alibi is not None:
                    s -= float(scoring.alibi[h]) * abs(i + m - n - j)
                e = math.exp(s)
                total += e
                if scoring.keep is not None:
                    e *= float(scoring.keep[h, i, j]) / (1 - scoring.dropout)
                for d in range(value_dim):
                    weighted[d] += e * float(v[j, kv, d])
            lse[h, i] = math.log(total) if total else -math.inf
            if total:
                out[i, h] = torch.tensor([w / total for w in weighted], dtype=DOUBLE)
    return out, lse


SCORINGS = {
    "plain": Scoring(0.3),
    "softcap": Scoring(0.9, softcap=1.5),
    "alibi": Scoring(0.3, alibi=torch.tensor([0.5, 0.25, 0.1, 0.7], dtype=DOUBLE)),
    "sink": Scoring(0.3, sink=torch.tensor([0.5, -2.0, 1.0, 3.0], dtype=DOUBLE)),
    "dropout": Scoring(0.3, keep=random(4, 5, 7, seed=9) > -0.5, dropout=0.25),
    "all": Scoring(
        0.6, 2.0, random(4, seed=7).abs(), random(4, seed=8), random(4, 5, 7, seed=9) > 0, 0.5
    ),
}
MASKS = {
    "full": Mask(),
    "causal": Mask(right=0),
    "window": Mask(left=1, right=2),
    "chunk": Mask(right=0, chunk=3),
}


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("with_qv", [False, True])
def test_forward_equals_loops(scoring: str, mask: str, with_qv: bool) -> None:
    q, k, v = random(5, 4, 3, seed=1), random(7, 2, 3, seed=2), random(7, 2, 2, seed=3)
    qv = random(5, 4, 2, seed=4) if with_qv else None
    a = attend(q, k, v, MASKS[mask], SCORINGS[scoring], qv)
    out, lse = attend_by_loops(q, k, v, MASKS[mask], SCORINGS[scoring], qv)
    torch.testing.assert_close(a.out.transpose(0, 1), out, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.lse, lse, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (2, 6), (6, 2), (1, 5), (3, 0), (0, 3)])
@pytest.mark.parametrize("left", [-1, 0, 2])
@pytest.mark.parametrize("right", [-1, 0, 1])
@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_visible_keys(n: int, m: int, left: int, right: int, chunk: int) -> None:
    mask = Mask(left, right, chunk)
    expected = [[visible_by_definition(mask, i, j, n, m) for j in range(m)] for i in range(n)]
    assert mask.visible(n, m).tolist() == expected


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_forward_equals_sdpa(causal: bool, grouped: bool) -> None:
    q, k, v = random(6, 4, 8, seed=1), random(6, 2, 8, seed=2), random(6, 2, 8, seed=3)
    if not grouped:
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    a = attend(q, k, v, Mask(right=0 if causal else -1), Scoring(8**-0.5))
    query, key, value = (t.transpose(0, 1)[None] for t in (q, k, v))
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=causal, enable_gqa=True
    )
    torch.testing.assert_close(a.out, expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("with_qv", [False, True])
@pytest.mark.parametrize("with_dlse", [False, True])
def test_gradients_equal_autograd(scoring: str, mask: str, with_qv: bool, with_dlse: bool) -> None:
    base = SCORINGS[scoring]
    q, k, v = random(5, 4, 3, seed=1), random(7, 2, 3, seed=2), random(7, 2, 2, seed=3)
    qv = random(5, 4, 2, seed=4) if with_qv else None
    leaves = [t.requires_grad_() for t in (q, k, v, qv, base.sink) if t is not None]
    a = attend(q, k, v, MASKS[mask], base, qv)
    dout = random(5, 4, 2, seed=5)
    dlse = random(4, 5, seed=6) if with_dlse else None
    loss = (a.out.transpose(0, 1) * dout).sum()
    if dlse is not None:
        seen = a.lse > -math.inf
        loss = loss + (a.lse[seen] * dlse[seen]).sum()
        dlse = dlse.masked_fill(~seen, 0.0)
    expected = torch.autograd.grad(loss, leaves)
    for leaf in leaves:
        leaf.requires_grad_(False)
    a = attend(q, k, v, MASKS[mask], base, qv)
    g = differentiate(a, dout, dlse, kv_heads=2)
    mine = [x for x in (g.dq, g.dk, g.dv, g.dqv, g.dsink) if x is not None]
    for got, want in zip(mine, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11)


def test_rows_that_see_nothing() -> None:
    q, k, v = random(4, 1, 3), random(2, 1, 3), random(2, 1, 3)
    a = attend(q, k, v, Mask(right=0), Scoring(1.0))
    assert (a.lse[0, :2] == -math.inf).all() and torch.isfinite(a.lse[0, 2:]).all()
    assert (a.out[0, :2] == 0).all()
    g = differentiate(a, random(4, 1, 3), None, 1)
    assert (g.dq[:2] == 0).all() and torch.isfinite(g.dk).all() and torch.isfinite(g.dv).all()


def test_sink_of_an_empty_row_is_its_lse() -> None:
    sink = torch.tensor([0.75], dtype=DOUBLE)
    a = attend(random(2, 1, 3), random(0, 1, 3), random(0, 1, 3), Mask(), Scoring(1.0, sink=sink))
    assert a.lse.tolist() == [[0.75, 0.75]] and (a.out == 0).all()


def test_v2_alibi_shift_is_the_other_bias() -> None:
    """v2 causal biases by slope * key: the softmax is the same, the LSE moves by the shift."""
    q, k, v, slope = random(4, 1, 3), random(6, 1, 3), random(6, 1, 3), 0.4
    alibi = torch.tensor([slope], dtype=DOUBLE)
    mask = Mask(right=0)
    a = attend(q, k, v, mask, Scoring(1.0, alibi=alibi))
    plain = attend(q, k, v, mask, Scoring(1.0))
    by_key = plain.scores + slope * torch.arange(6, dtype=DOUBLE)
    shift = alibi_lse_shift(2, mask, alibi, 4, 6)
    torch.testing.assert_close(a.lse + shift, torch.logsumexp(by_key, 2))
    torch.testing.assert_close(a.probs, torch.softmax(by_key, 2))
    assert (alibi_lse_shift(3, mask, alibi, 4, 6) == 0).all()
    assert (alibi_lse_shift(2, Mask(3, 0), alibi, 4, 6) == 0).all()


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotation_keeps_dot_products_of_equal_distance(interleaved: bool) -> None:
    """RoPE by definition: a rotation per pair, so products depend on position differences only."""
    angle = torch.arange(20, dtype=DOUBLE)[:, None] * torch.tensor([1.0, 0.1, 0.01], dtype=DOUBLE)
    cos, sin = angle.cos(), angle.sin()
    x, y = random(1, 2, 8, seed=1), random(1, 2, 8, seed=2)

    def turned(t: Tensor, position: int) -> Tensor:
        row = slice(position, position + 1)
        return rotate(t, cos[row], sin[row], interleaved)

    near = (turned(x, 3) * turned(y, 1)).sum(-1)
    far = (turned(x, 13) * turned(y, 11)).sum(-1)
    torch.testing.assert_close(near, far)
    assert (turned(x, 5)[..., 6:] == x[..., 6:]).all()
    one = torch.zeros(1, 1, 8, dtype=DOUBLE)
    one[..., 0] = 1.0
    place = 1 if interleaved else 3
    assert turned(one, 2)[0, 0, place] == math.sin(2.0)


def test_combine_equals_attention_on_all_keys() -> None:
    q, k, v = random(5, 2, 4, seed=1), random(9, 2, 4, seed=2), random(9, 2, 4, seed=3)
    whole = attend(q, k, v, Mask(), Scoring(0.5))
    cuts = [(0, 4), (4, 4), (4, 9)]
    parts = [attend(q, k[a:b], v[a:b], Mask(), Scoring(0.5)) for a, b in cuts]
    out, lse = combine(torch.stack([p.out for p in parts]), torch.stack([p.lse for p in parts]))
    torch.testing.assert_close(out, whole.out)
    torch.testing.assert_close(lse, whole.lse)


def test_combine_of_empty_splits() -> None:
    out, lse = combine(torch.full((2, 1, 3), math.nan), torch.full((2, 1), -math.inf))
    assert (out == 0).all() and (lse == -math.inf).all()


CLAMPS = [
    (2, (6, 9), False, Mask(6, -1)),  # right side of max_kv or more
    (2, (7, 3), False, Mask(-1, 3)),
    (2, (6, 6), False, Mask(6, 6)),
    (3, (6, 3), False, Mask(-1, 3)),  # left side of max_kv - 1 or more
    (3, (5, 4), False, Mask(5, -1)),  # right side of max_q - 1 or more
    (2, (3, 5), True, Mask(3, 0)),
    (3, (3, 5), True, Mask(3, 0)),
    (2, (-5, 2), False, Mask(-1, 2)),
]


@pytest.mark.parametrize(("api", "window", "causal", "expected"), CLAMPS)
def test_window_clamps(api: int, window: tuple[int, int], causal: bool, expected: Mask) -> None:
    assert resolve_mask(api, causal, window, 0, max_q=5, max_kv=7) == expected
