"""A case as functions without arguments: ours, and PyTorch's attention in its best layouts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fa_testing.backends import Wheel, call_arguments, leading_arguments
from fa_testing.case import Case
from fa_testing.inputs import Inputs, build_inputs
from fa_testing.sequences import Place, as_rows, find_entries

Call = Callable[[], object]
OURS = "ours"
READ = "read"  # reads the keys and values of a decode step once and does nothing else
CACHE_LAYOUT = "sdpa, cache layout"  # on the cache as it is, without a copy
# scaled_dot_product_attention has no notion of these.
NO_PEER = ("chunk", "softcap", "alibi", "sink", "dropout", "qv", "descale", "new", "rotary")


def contestants(case: Case) -> dict[str, Call]:
    """Every contestant of a case. Copies into a peer's favourite layout are not part of a call."""
    inputs = build_inputs(case)
    calls = {OURS: _ours(case, inputs)}
    if not any(getattr(case, name) for name in NO_PEER) and case.dt != "fp8":
        calls |= _peers(case, inputs)
    if case.cached and case.sq == 1:
        calls |= _decoding(case, inputs, seen=len(calls) > 1)
    return calls


def _decoding(case: Case, x: Inputs, *, seen: bool) -> dict[str, Call]:
    """What a decode step can be measured by, besides its peers."""
    places = [entry.kv for entry in find_entries(case, x)]
    held = [torch.cat([as_rows(t)[p.rows, p.tokens].flatten() for p in places]) for t in (x.k, x.v)]
    # The largest of so many numbers, in the dtype whose maximum PyTorch finds fastest.
    words = [t.view(torch.int16 if t.numel() % 2 else torch.float32) for t in held]
    calls: dict[str, Call] = {READ: lambda: [t.amax() for t in words]}
    alike = len({p.count for p in places}) == 1
    whole = alike and not (case.page or case.rows or case.leftpad or case.batch_idx)
    if seen and whole and (case.group == 1 or _takes_groups()):
        tokens = places[0].count
        q, k, v = (t.transpose(1, 2) for t in (x.q, x.k[:, :tokens], x.v[:, :tokens]))
        calls[CACHE_LAYOUT] = _sdpa(case, q, k, v)
    return calls


def _ours(case: Case, x: Inputs) -> Call:
    wheel = Wheel.load(case.api)
    function = wheel.function(case)
    arguments = call_arguments(case, x, wheel)
    leading = leading_arguments(case, x)
    if not case.backward:
        return lambda: function(*leading, **arguments)
    leaves = [t.detach().requires_grad_() for t in leading]
    result = function(*leaves, **arguments)
    return _backward(result[0] if case.lse else result, leaves)


def _backward(out: Tensor, leaves: list[Tensor]) -> Call:
    """The backward pass alone, again and again over one recorded forward."""
    dout = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, leaves, dout, retain_graph=True)


def _peers(case: Case, x: Inputs) -> dict[str, Call]:
    """scaled_dot_product_attention on contiguous [B, H, S, D] copies; pages are gathered before."""
    entries = find_entries(case, x)
    sequences = [
        tuple(_heads_first(t, p) for t, p in ((x.q, e.q), (x.k, e.kv), (x.v, e.kv)))
        for e in entries
    ]
    shapes = {tuple(t.shape for t in sequence) for sequence in sequences}
    if len(shapes) == 1:
        q, k, v = (torch.stack(tensors) for tensors in zip(*sequences, strict=True))
        return _layouts(case, q, k, v)
    peers = {"sdpa, padded": _padded(case, sequences)}
    loops = [_layouts(case, *(t[None] for t in sequence)) for sequence in sequences]
    for name in loops[0]:
        if all(name in loop for loop in loops):
            peers[f"{name}, one by one"] = _one_by_one([loop[name] for loop in loops])
    return peers


def _one_by_one(calls: list[Call]) -> Call:
    return lambda: [call() for call in calls]


def _layouts(case: Case, q: Tensor, k: Tensor, v: Tensor) -> dict[str, Call]:
    """The ways to ask for the same attention; q [B, Hq, Sq, D], k and v [B, Hkv, Skv, D]."""
    calls = {}
    if case.group == 1 or _takes_groups():
        calls["sdpa"] = _sdpa(case, q, k, v)
    if case.group > 1:
        repeated = [t.repeat_interleave(case.group, dim=1) for t in (k, v)]
        calls["sdpa, heads repeated"] = _sdpa(case, q, *repeated)
    one_token = q.shape[2] == 1 and case.window == (-1, -1) and not case.backward
    if case.group > 1 and one_token:
        # One token sees all keys, so the heads of a group can pose as tokens of one head.
        folded = q.view(q.shape[0], case.hkv, case.group, case.d)
        calls["sdpa, heads folded"] = lambda: F.scaled_dot_product_attention(
            folded, k, v, scale=case.scale or None
        )
    return calls


def _takes_groups() -> bool:
    """Whether this torch has the argument enable_gqa (2.5 and newer)."""
    return "enable_gqa" in (inspect.getdoc(F.scaled_dot_product_attention) or "")


def _heads_first(x: Tensor, place: Place) -> Tensor:
    return as_rows(x)[place.rows, place.tokens].transpose(0, 1).contiguous()


def _sdpa(case: Case, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Call:
    """Forward, or backward of one forward; k and v may have fewer heads than q."""
    q_len, kv_len = q.shape[2], k.shape[2]
    is_causal = False
    if mask is None and (case.causal or case.window != (-1, -1)):
        triangle = case.causal and case.window[0] < 0
        is_causal = triangle and q_len == kv_len
        if not is_causal and not (triangle and q_len == 1):
            mask = visible(case, q_len, kv_len)
    grouped: dict[str, Any] = {"enable_gqa": True} if q.shape[1] > k.shape[1] else {}
    if case.backward:
        q, k, v = (t.detach().clone().requires_grad_() for t in (q, k, v))

    def forward() -> Tensor:
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=is_causal, scale=case.scale or None, **grouped
        )

    return _backward(forward(), [q, k, v]) if case.backward else forward


def visible(case: Case, q_len: int, kv_len: int) -> Tensor:
    """bool [q_len, kv_len], True where the query sees the key."""
    left, right = case.window
    right = 0 if case.causal else right
    distance = torch.arange(kv_len) - torch.arange(q_len)[:, None] - (kv_len - q_len)
    seen = torch.ones(q_len, kv_len, dtype=torch.bool)
    if left >= 0:
        seen &= distance >= -left
    if right >= 0:
        seen &= distance <= right
    return seen


def _padded(case: Case, sequences: list[tuple[Tensor, ...]]) -> Call:
    q_len, kv_len = (max(s[i].shape[1] for s in sequences) for i in (0, 1))
    mask = torch.zeros(len(sequences), 1, q_len, kv_len, dtype=torch.bool)
    padded = []
    for i, length in ((0, q_len), (1, kv_len), (2, kv_len)):
        rows = [F.pad(s[i], (0, 0, 0, length - s[i].shape[1])) for s in sequences]
        padded.append(torch.stack(rows))
    if case.group > 1 and not _takes_groups():
        padded[1:] = [t.repeat_interleave(case.group, dim=1) for t in padded[1:]]
    for row, (queries, keys, _) in enumerate(sequences):
        n, m = queries.shape[1], keys.shape[1]
        mask[row, 0, :n, :m] = visible(case, n, m)
        mask[row, 0, n:, :1] = True  # padding rows see something, else they are NaN
    q, k, v = padded
    return _sdpa(case, q, k, v, mask)
