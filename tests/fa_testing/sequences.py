"""Where the queries and keys of each batch entry are, read from the arguments of a call.

Written from the API's description of lengths, caches and pages, not from the builder of the
inputs, so that the two check each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_testing.case import Case
from fa_testing.fill import bits
from fa_testing.inputs import Inputs


@dataclass
class Place:
    """Tokens of a [rows, tokens, heads, dim] tensor: element t is x[rows[t], tokens[t]]."""

    rows: Tensor
    tokens: Tensor

    def read(self, x: Tensor) -> Tensor:
        return bits(as_rows(x))[self.rows, self.tokens].view(x.dtype).double()

    def write(self, x: Tensor, value: Tensor) -> None:
        bits(as_rows(x))[self.rows, self.tokens] = bits(value.to(x.dtype))

    @property
    def count(self) -> int:
        return int(self.tokens.numel())


def as_rows(x: Tensor) -> Tensor:
    """Packed [tokens, heads, dim] as one row; everything else as it is."""
    return x[None] if x.dim() == 3 else x


@dataclass
class Entry:
    """One sequence pair. `new` and `target` say where appended keys come from and go to."""

    index: int
    q: Place
    kv: Place
    new: Place | None
    target: Place | None
    rotary_at: int


def span(row: int, begin: int, count: int) -> Place:
    return Place(torch.full((count,), row), torch.arange(begin, begin + count))


def side(x: Inputs, which: str, index: int) -> tuple[int, int, int]:
    """(row, first token, used length) of one entry's queries or keys, caches apart."""
    tensor, cu, used = (x.q, x.cu_q, x.used_q) if which == "q" else (x.k, x.cu_k, x.used_k)
    row, begin, length = index, 0, tensor.shape[-3]
    if cu is not None:
        row, begin, length = 0, int(cu[index]), int(cu[index + 1] - cu[index])
    if used is not None:
        length = int(used[index])
    return row, begin, length


def cache_place(x: Inputs, row: int, begin: int, end: int) -> Place:
    """Tokens [begin, end) of a cache row, through the page table if there is one."""
    if x.page_table is None:
        return span(row, begin, end - begin)
    page_size = x.k.shape[1]
    token = torch.arange(begin, end)
    return Place(x.page_table[row].long()[token // page_size], token % page_size)


def find_entries(case: Case, x: Inputs) -> list[Entry]:
    entries = []
    for index in range(case.b):
        q_row, q_begin, q_len = side(x, "q", index)
        entry = Entry(index, span(q_row, q_begin, q_len), span(0, 0, 0), None, None, 0)
        if case.cached:
            find_cached(x, entry)
        elif x.page_table is not None:
            assert x.cu_k is not None
            length = int(x.cu_k[index + 1] - x.cu_k[index])
            entry.kv = cache_place(x, index, 0, length)
        else:
            entry.kv = span(*side(x, "k", index))
        entries.append(entry)
    return entries


def find_cached(x: Inputs, entry: Entry) -> None:
    index = entry.index
    row = index if x.batch_idx is None else int(x.batch_idx[index])
    capacity = x.k.shape[1] * (1 if x.page_table is None else x.page_table.shape[1])
    length = capacity if x.used_k is None else int(x.used_k[index])
    leftpad = 0 if x.leftpad is None else int(x.leftpad[index])
    fresh = 0
    if x.k_new is not None:
        if x.cu_new is None:
            entry.new = span(index, 0, x.k_new.shape[1])
        else:
            begin, end = int(x.cu_new[index]), int(x.cu_new[index + 1])
            entry.new = span(0, begin, end - begin)
        fresh = entry.new.count
        entry.target = cache_place(x, row, length, length + fresh)
    entry.kv = cache_place(x, row, leftpad, length + fresh)
    entry.rotary_at = length if x.rotary_seqlens is None else int(x.rotary_seqlens[index])
