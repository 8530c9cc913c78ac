"""A case of the append kernel: its tensors in GM, the launch, and what every bit must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from npu.forward_case import strided, tensor_arg
from npu.halves import Array, to_storage
from npu.kernel_args import AppendArgs, LengthArgs, PageArgs, RotaryArgs, TensorArg


@dataclass(frozen=True)
class Case:
    """Per sequence: tokens that the cache holds, new ones, queries."""

    seed: int = 0
    dtype: str = "fp16"
    held: tuple[int, ...] = (5,)
    new: tuple[int, ...] = (3,)
    queries: tuple[int, ...] = (3,)
    packed_new: bool = False
    packed_queries: bool = False
    q_heads: int = 2
    kv_heads: int = 1
    head_dim: int = 64
    value_dim: int = 64
    rotary_dim: int = 64  # 0: nothing is rotated
    interleaved: bool = False
    same_q_position: bool = False
    first_positions: tuple[int, ...] = ()
    positions: int = 700  # of the tables
    page_size: int = 0
    batch_idx: bool = False
    room: int = 0  # tokens of a sequence in the cache; 0: as many as are needed
    wrong: str = ""  # row, page: a sequence's row, or the page of its first new token, is not there
    strides: str = "bshd"
    cores: int = 1

    @property
    def capacity(self) -> int:
        """Tokens of a sequence that the cache has room for."""
        needed = max((h + n for h, n in zip(self.held, self.new, strict=True)), default=0)
        tokens = self.room or max(needed, 1)
        return -(-tokens // self.page_size) * self.page_size if self.page_size else tokens


@dataclass
class Problem:
    """`expected` has the bits of every output buffer behind the launch."""

    case: Case
    args: AppendArgs
    inputs: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    expected: list[Array] = field(default_factory=list)


def to_float32(stored: Array, dtype: str) -> Array:
    if dtype == "fp16":
        return stored.astype(np.float32)
    return (stored.astype(np.uint32) << 16).view(np.float32)


def rotated(case: Case, x: Array, cos: Array, sin: Array) -> Array:
    """[heads, D] by one position's tables: products and sums in fp32, each rounded once."""
    half = case.rotary_dim // 2
    pairs = np.arange(case.rotary_dim).reshape((half, 2) if case.interleaved else (2, half))
    first, second = pairs.T if case.interleaved else pairs
    wide: Array = to_float32(x, case.dtype)
    result: Array = x.copy()
    a, b = wide[:, first], wide[:, second]
    c, s = to_float32(cos, case.dtype), to_float32(sin, case.dtype)
    result[:, first] = to_storage(a * c - b * s, case.dtype)
    result[:, second] = to_storage(b * c + a * s, case.dtype)
    return result


class _Builder:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.rng = np.random.default_rng(case.seed)
        self.problem = Problem(case, AppendArgs())
        self.rows = np.arange(len(case.held))
        self.row_count = len(case.held) + (2 if case.batch_idx else 0)
        if case.batch_idx:
            self.rows = self.rng.permutation(self.row_count)[: len(case.held)]
        self.caches: list[tuple[Array, Array]] = []  # of k and v: buffer, view

    def ints(self, values: Any) -> Array:
        array = np.ascontiguousarray(values, np.int32)
        self.problem.inputs.append(array)
        return array

    def drawn(self, shape: tuple[int, ...], output: bool = False) -> tuple[Array, Array]:
        """A buffer full of values, gaps included, and its view [B, S, H, D]."""
        dtype = self.case.dtype
        buffer, view = strided(shape, self.case.strides, dtype)  # type: ignore[arg-type]
        values: Array = np.asarray(self.rng.standard_normal(buffer.shape))
        buffer[...] = to_storage(values, dtype)
        (self.problem.outputs if output else self.problem.inputs).append(buffer)
        return buffer, view

    def given(self, lengths: tuple[int, ...], packed: bool, heads: int, dim: int) -> Any:
        """A tensor of new tokens or queries: its argument, and a view per sequence."""
        shape = (1, sum(lengths)) if packed else (len(lengths), max(lengths, default=0))
        _, view = self.drawn((*shape, heads, dim))
        return tensor_arg(view), self.parts(view, lengths, packed)

    @staticmethod
    def parts(view: Array, lengths: tuple[int, ...], packed: bool) -> list[Array]:
        ends = np.cumsum(lengths)
        if packed:
            return [view[0, end - n : end] for end, n in zip(ends, lengths, strict=True)]
        return [view[b, :n] for b, n in enumerate(lengths)]


def build(case: Case) -> Problem:
    b = _Builder(case)
    args = b.problem.args
    args.batch, args.q_heads, args.kv_heads = len(case.held), case.q_heads, case.kv_heads
    args.head_dim, args.value_dim = case.head_dim, case.value_dim
    k_new = _add_new(b)
    places = _add_cache(b)
    tables = _add_rotary(b)
    _add_queries(b, tables)
    _expect_appended(b, k_new, places, tables)
    return b.problem


def _add_new(b: _Builder) -> list[list[Array]]:
    case, args = b.case, b.problem.args
    args.k_new, k_new = b.given(case.new, case.packed_new, case.kv_heads, case.head_dim)
    args.v_new, v_new = b.given(case.new, case.packed_new, case.kv_heads, case.value_dim)
    args.cache.new_limit = sum(case.new) if case.packed_new else max(case.new, default=0)
    if case.packed_new:
        starts = b.ints(np.concatenate([[0], np.cumsum(case.new)]))
        args.cache.cu_seqlens_new = starts.ctypes.data
    return [k_new, v_new]


def _add_cache(b: _Builder) -> Any:
    """The function of a sequence and a slot that names its place in the cache, or None."""
    case, args = b.case, b.problem.args
    table, pages = None, 0
    if case.page_size:
        width = -(-case.capacity // case.page_size)
        pages = b.row_count * width + 2
        table = b.ints(b.rng.permutation(pages)[: b.row_count * width].reshape(b.row_count, width))
        args.pages = PageArgs(table.ctypes.data, width, width, case.page_size, pages, 0)
    args.cache.rows = b.row_count
    args.cache.capacity = case.capacity
    args.kv_lengths = LengthArgs(0, b.ints(case.held).ctypes.data, case.capacity, 0)
    rows = b.rows.copy()
    if case.wrong == "row":
        rows[0] = b.row_count
    if case.wrong == "page" and table is not None:
        table[rows[0], case.held[0] // case.page_size] = pages
    if case.batch_idx:
        args.cache.batch_idx = b.ints(rows).ctypes.data

    def place(batch: int, slot: int) -> tuple[int, int] | None:
        row = int(rows[batch])
        if row >= b.row_count or slot >= case.capacity:
            return None
        if table is None:
            return row, slot
        page = int(table[row, slot // case.page_size])
        return (page, slot % case.page_size) if page < pages else None

    shape = (pages, case.page_size) if case.page_size else (b.row_count, case.capacity)
    for name, dim in (("k", case.head_dim), ("v", case.value_dim)):
        buffer, view = b.drawn((*shape, case.kv_heads, dim), output=True)
        strides = (stride // view.itemsize for stride in view.strides[:3])
        setattr(args, name, TensorArg(view.ctypes.data, *strides))
        b.caches.append((buffer, view))
    return place


def _add_rotary(b: _Builder) -> tuple[Array, Array]:
    """Tables [positions, dim / 2] of cosine and sine, whatever their values."""
    case, args = b.case, b.problem.args
    cos, sin = (
        to_storage(b.rng.uniform(-1, 1, (case.positions, case.rotary_dim // 2 + 1)), case.dtype)
        for _ in range(2)
    )
    b.problem.inputs += [cos, sin]
    args.rotary = RotaryArgs(
        cos=cos.ctypes.data,
        sin=sin.ctypes.data,
        cos_stride=cos.shape[1],
        sin_stride=sin.shape[1],
        positions=case.positions,
        dim=case.rotary_dim,
        interleaved=case.interleaved,
        same_q_position=case.same_q_position,
    )
    if case.first_positions:
        args.rotary.first_positions = b.ints(case.first_positions).ctypes.data
    return cos[:, :-1], sin[:, :-1]


def _first_position(case: Case, batch: int) -> int:
    return case.first_positions[batch] if case.first_positions else case.held[batch]


def _row(tables: tuple[Array, Array], position: int) -> tuple[Array, Array]:
    """Behind the tables, or before them, the nearest row counts."""
    at = min(max(position, 0), len(tables[0]) - 1)
    return tables[0][at], tables[1][at]


def _add_queries(b: _Builder, tables: tuple[Array, Array]) -> None:
    case, args = b.case, b.problem.args
    args.q, queries = b.given(case.queries, case.packed_queries, case.q_heads, case.head_dim)
    longest = max(case.queries, default=0)
    args.q_lengths = LengthArgs(limit=longest)
    if case.packed_queries:
        starts = b.ints(np.concatenate([[0], np.cumsum(case.queries)]))
        args.q_lengths = LengthArgs(starts.ctypes.data, 0, longest, int(starts[-1]))
    elif len(set(case.queries)) > 1:
        args.q_lengths.seqused = b.ints(case.queries).ctypes.data
    shape = (1, sum(case.queries)) if case.packed_queries else (len(case.queries), longest)
    buffer, view = b.drawn((*shape, case.q_heads, case.head_dim), output=True)
    args.q_rotated = tensor_arg(view)
    before = buffer.copy()
    for batch, part in enumerate(b.parts(view, case.queries, case.packed_queries)):
        for query in range(len(part) if case.rotary_dim else 0):
            position = _first_position(case, batch) + (0 if case.same_q_position else query)
            part[query] = rotated(case, queries[batch][query], *_row(tables, position))
    b.problem.expected.append(buffer.copy())
    buffer[...] = before


def _expect_appended(
    b: _Builder, new: list[list[Array]], place: Any, tables: tuple[Array, Array]
) -> None:
    case = b.case
    for (buffer, view), parts in zip(b.caches, new, strict=True):
        before = buffer.copy()
        for batch, token in ((i, t) for i, n in enumerate(case.new) for t in range(n)):
            at = place(batch, case.held[batch] + token)
            if at is None:
                continue
            view[at] = parts[batch][token]
            if parts is new[0] and case.rotary_dim:
                position = _first_position(case, batch) + token
                view[at] = rotated(case, parts[batch][token], *_row(tables, position))
        b.problem.expected.append(buffer.copy())
        buffer[...] = before
    b.problem.expected = [*b.problem.expected[1:], b.problem.expected[0]]  # as the outputs


def run(sim: ModuleType, problem: Problem, options: Any) -> Any:
    return sim.run(
        f"fa_append_{problem.case.dtype}",
        problem.case.cores,
        [bytes(problem.args)],
        options=options,
        buffers_in=[a for a in (*problem.inputs, *problem.outputs) if a.size],
        buffers_out=[],
    )
