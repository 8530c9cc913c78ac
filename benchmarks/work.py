"""What a case has to compute and to read, counted from its lengths and mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fa_testing.case import Case
from fa_testing.inputs import cache_capacity

ELEMENT_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "fp8": 1}
BACKWARD_PRODUCTS, FORWARD_PRODUCTS = 5, 2  # matrix products of the size of the scores


@dataclass(frozen=True)
class Work:
    """flops: of the matrix products, visible pairs only. kv_bytes: keys and values read once."""

    flops: float
    kv_bytes: int


def lengths(case: Case) -> list[tuple[int, int]]:
    """(q_len, kv_len) of every batch entry, after an append."""
    if case.varlen:
        return list(zip(case.used_q or case.q_lens, case.used_k or case.kv_lens, strict=True))
    if not case.cached:
        return [(case.sq, case.skv)] * case.b
    none = (0,) * case.b
    queries = case.q_lens or (case.sq,) * case.b
    held = case.kv_lens or (cache_capacity(case),) * case.b
    new, left = case.new or none, case.leftpad or none
    return [(q, h + n - p) for q, h, n, p in zip(queries, held, new, left, strict=True)]


def visible_pairs(case: Case, q_len: int, kv_len: int) -> int:
    """Pairs of query and key that the mask leaves, for one head."""
    left, right = case.window
    right = 0 if case.causal else right
    last = torch.arange(q_len) + kv_len - q_len  # the key at the diagonal
    begin = (last - left).clamp(0, kv_len) if left >= 0 else torch.zeros_like(last)
    end = (last + right + 1).clamp(0, kv_len) if right >= 0 else torch.full_like(last, kv_len)
    if case.chunk:
        chunk = torch.div(last, case.chunk, rounding_mode="floor") * case.chunk
        begin, end = begin.maximum(chunk), end.minimum(chunk + case.chunk)
    return int((end - begin).clamp_min(0).sum())


def count(case: Case) -> Work:
    """Work of one call; a backward case counts its backward only."""
    pairs = sum(visible_pairs(case, q, kv) for q, kv in lengths(case)) * case.hq
    products = BACKWARD_PRODUCTS if case.backward else FORWARD_PRODUCTS
    # Products over D and over Dv alternate; the backward has one more over D.
    over_d = (products + 1) // 2
    flops = 2.0 * pairs * (over_d * case.d + (products - over_d) * case.value_dim)
    keys = sum(kv for _, kv in lengths(case)) * case.hkv
    return Work(flops, keys * (case.d + case.value_dim) * ELEMENT_BYTES[case.dt])
