"""A forward case: what is asked for, its tensors in GM, the launch."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from fa_testing.dropout_bits import threshold
from npu.forward_options import add_options
from npu.halves import STORAGE, Array, on_a_line, to_float64, to_storage
from npu.kernel_args import (
    EARLY_BLOCKS,
    LATE_BLOCKS,
    SEQUENCES,
    CombineArgs,
    ForwardArgs,
    LengthArgs,
    PageArgs,
    ScaleArgs,
    TaskCut,
    TensorArg,
)


@dataclass(frozen=True)
class Case:
    """Sq, Sk: lengths per sequence, in a padded tensor those of seqused."""

    seed: int = 0
    dtype: str = "fp16"
    q_lengths: tuple[int, ...] = (64,)
    kv_lengths: tuple[int, ...] = (64,)
    q_heads: int = 1
    kv_heads: int = 1
    packed_heads: int = 1
    task_rows: int = 128
    rest_rows: int = 0  # of tasks behind the first `cut_blocks` ones; 0: as the others
    cut_blocks: int = 0
    head_dim: int = 64
    value_dim: int = 64
    qv: bool = False
    joined: bool = False  # with qv: keys follow values in memory, as views of one cache
    q_layout: str = "padded"  # padded, packed
    kv_layout: str = "padded"  # padded, packed, paged
    outside: bool = False  # packed tensors have tokens before and behind all sequences
    strides: str = "bshd"  # bshd, bhsd, gaps, wide
    seqused: bool = False
    window: tuple[int, int] = (-1, -1)
    softcap: float = 0.0
    scale: float | None = None
    page_size: int = 16
    bad_pages: bool = False
    lse: str = "inf"  # inf, -inf, none
    cores: int = 1
    magnitude: float = 1.0
    dropout: float = 0.0
    probs: bool = False  # S_dmask is wanted
    chunk: int = 0  # attention_chunk
    leftpad: tuple[int, ...] = ()  # tokens of the cache before those of kv_lengths
    new_lengths: tuple[int, ...] = ()  # how many of kv_lengths were appended
    batch_idx: bool = False  # the cache, or the page table, has other rows too, in any order
    sinks: str = ""  # their dtype
    alibi: str = ""  # heads, batch: what there are slopes for; columns: heads, LSE of another bias
    splits: int = 1
    int8: str = ""  # head, entry: keys and values in int8, scales [Hkv] or [B, Hkv]

    @property
    def outside_tokens(self) -> int:
        return SPARE_TOKENS if self.outside else 0

    @property
    def rng_state(self) -> tuple[int, int]:
        return (self.seed << 32) + 0x9ABCDEF0, (self.seed + 1) << 33 | 5

    @property
    def extras(self) -> bool:
        return self.dropout > 0 or self.probs or self.alibi != ""

    @property
    def stored(self) -> tuple[int, ...]:
        """Tokens of each sequence in the cache."""
        pads = self.leftpad or (0,) * len(self.kv_lengths)
        return tuple(pad + n for pad, n in zip(pads, self.kv_lengths, strict=True))

    @property
    def suffix(self) -> str:
        """Of the kernel's name."""
        return "_int8" if self.int8 else "_extras" if self.extras else ""

    @property
    def most_task_rows(self) -> int:
        bucket = bucket_of(self.head_dim, self.value_dim, self.qv)
        return bucket.task_rows_with(self.suffix)

    @property
    def kernel(self) -> str:
        name = bucket_of(self.head_dim, self.value_dim, self.qv).name
        return f"fa_forward_{self.dtype}_{name}{self.suffix}"

    @property
    def kv_dtype(self) -> str:
        return "int8" if self.int8 else self.dtype

    @property
    def softmax_scale(self) -> float:
        width = self.head_dim + (self.value_dim if self.qv else 0)
        return width**-0.5 if self.scale is None else self.scale


# Elements between heads or tokens that are more than an ND2NZ copy can step over.
WIDE_STRIDE = 65600
SPARE_PROBS = (5, 3)  # rows and columns of S_dmask that no sequence can have
SPARE_ROWS = 2  # of a cache whose rows are not those of the batch
SPARE_TOKENS = 3  # behind each sequence with seqused, and at each end of a packed tensor


def strided(shape: tuple[int, int, int, int], strides: str, dtype: str) -> tuple[Array, Array]:
    """A buffer, and a view [B, S, H, D] of it with the strides asked for."""
    b, s, h, d = shape
    made = on_a_line
    storage = STORAGE[dtype]
    if strides == "bhsd":
        buffer = made((b, h, s, d), storage)
        return buffer, buffer.transpose(0, 2, 1, 3)
    if strides == "gaps":
        buffer = made((b, s + 1, h + 1, d + 3), storage)
        return buffer, buffer[:, :s, :h, :d]
    if strides == "wide":
        buffer = made((b, s, max(WIDE_STRIDE, h * d)), storage)
        return buffer, buffer[:, :, : h * d].reshape(b, s, h, d)[:] if h * d == 0 else (
            np.lib.stride_tricks.as_strided(
                buffer, shape, (*(buffer.strides[:2]), d * buffer.itemsize, buffer.itemsize)
            )
        )
    buffer = made(shape, storage)
    return buffer, buffer


def tensor_arg(view: Array) -> TensorArg:
    """Of [B, S, H, ...]; an empty array has no address that a kernel may know."""
    if view.size == 0:
        return TensorArg(0, 0, 0, 0)
    strides = [stride // view.itemsize for stride in view.strides[:3]]
    if len(view) == 1:  # packed, perhaps
        strides[0] = 0
    return TensorArg(view.ctypes.data, *strides)


@dataclass
class Problem:
    """The tensors of a case, and per sequence the values that an oracle needs."""

    case: Case
    args: ForwardArgs
    inputs: list[Array]
    outputs: list[Array]
    q: list[Array]  # [Sq, Hq, D] fp64 per sequence
    k: list[Array]
    v: list[Array]
    qv: list[Array] = field(default_factory=list)
    out: list[Array] = field(default_factory=list)  # views of the kernel's results
    lse: list[Array] = field(default_factory=list)  # [Sq, Hq]
    probs: Array | None = None  # S_dmask [B, Hq, rows, columns]
    sinks: Array | None = None  # [Hq]
    slopes: Array | None = None  # [B, Hq]
    partials: list[Array] = field(default_factory=list)  # of splits: outputs, LSE
    combine: CombineArgs | None = None  # the launch that follows splits


def poison(buffer: Array) -> None:
    """What no query may see is NaN, or the largest code there is."""
    if buffer.dtype == np.int8:
        buffer[...] = -128
    else:
        buffer.view(np.uint16)[...] = 0x7FFF


class _Builder:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.rng = np.random.default_rng(case.seed)
        self.inputs: list[Array] = []
        self.outputs: list[Array] = []
        self.rows = np.arange(len(case.kv_lengths))  # of the cache, by sequence
        if case.batch_idx:
            self.rows = self.rng.permutation(len(self.rows) + SPARE_ROWS)[: len(self.rows)]

    @property
    def row_count(self) -> int:
        return len(self.rows) + (SPARE_ROWS if self.case.batch_idx else 0)

    def ints(self, values: Any) -> Array:
        given = np.ascontiguousarray(values, np.int32)
        array = on_a_line(given.shape, np.int32)
        array[...] = given
        self.inputs.append(array)
        return array

    def values(self, shape: tuple[int, ...], dtype: str) -> Array:
        if dtype == "int8":
            return self.rng.integers(-128, 128, shape, np.int8)
        drawn = self.rng.standard_normal(shape) * self.case.magnitude
        return to_storage(drawn, dtype)

    def lengths(self, lengths: tuple[int, ...], layout: str) -> tuple[LengthArgs, int]:
        """Argument, and length of the tensor's token axis."""
        case = self.case
        longest = max(lengths, default=0)
        if layout == "packed":
            room = [n + (SPARE_TOKENS if case.seqused else 0) for n in lengths]
            starts = self.ints(case.outside_tokens + np.concatenate([[0], np.cumsum(room)]))
            total = int(starts[-1]) + case.outside_tokens
            arg = LengthArgs(starts.ctypes.data, 0, max(room, default=0), total)
        else:
            total = longest + (SPARE_TOKENS if case.seqused else 0)
            arg = LengthArgs(0, 0, total, 0)
        if case.seqused or (layout != "packed" and len(set(lengths)) > 1):
            arg.seqused = self.ints(lengths).ctypes.data
        return arg, total

    def tokens(
        self,
        lengths: tuple[int, ...],
        layout: str,
        shape: tuple[int, int],
        total: int,
        cache: bool = False,
        dtype: str | None = None,
    ) -> tuple[Array, list[Array]]:
        """A tensor of (heads, dim) per token: view [B, S, H, D] and a view per sequence."""
        rows = self.rows if cache else np.arange(len(lengths))
        batch = 1 if layout == "packed" else self.row_count if cache else len(lengths)
        dtype = dtype or self.case.dtype
        buffer, view = strided((batch, total, *shape), self.case.strides, dtype)
        if layout != "packed":
            parts = [view[row, :n] for row, n in zip(rows, lengths, strict=True)]
            return view, self._register(buffer, parts)
        spare = SPARE_TOKENS if self.case.seqused else 0
        parts, first = [], self.case.outside_tokens
        for n in lengths:
            parts.append(view[0, first : first + n])
            first += n + spare
        return view, self._register(buffer, parts)

    def _register(self, buffer: Array, parts: list[Array]) -> list[Array]:
        self.buffer = buffer
        return parts

    def input_tokens(
        self,
        lengths: tuple[int, ...],
        layout: str,
        shape: tuple[int, int],
        total: int,
        cache: bool = False,
        dtype: str | None = None,
    ) -> tuple[TensorArg, list[Array]]:
        dtype = dtype or self.case.dtype
        view, parts = self.tokens(lengths, layout, shape, total, cache, dtype)
        poison(self.buffer)
        for part in parts:
            part[...] = self.values(part.shape, dtype)
        self.inputs.append(self.buffer)
        return tensor_arg(view), parts

    def key_tokens(self, lengths: LengthArgs, dim: int) -> tuple[TensorArg, list[Array]]:
        """Of a padded or packed tensor, from behind the padding on."""
        case = self.case
        total = lengths.tokens if case.kv_layout == "packed" else lengths.limit
        shape = case.kv_heads, dim
        arg, parts = self.input_tokens(
            case.stored, case.kv_layout, shape, total, True, dtype=case.kv_dtype
        )
        for part, pad in zip(parts, case.leftpad, strict=False):
            poison(part[:pad])
        return arg, [p[len(p) - n :] for p, n in zip(parts, case.kv_lengths, strict=True)]

    def pages(self) -> tuple[PageArgs, Array]:
        """Page table with shuffled pages, more than are needed."""
        case = self.case
        width = -(-max(case.stored, default=0) // case.page_size) + 1
        count = width * self.row_count + 2
        table = self.rng.permutation(count)[: width * self.row_count]
        table = self.ints(table.reshape(self.row_count, width))
        return PageArgs(table.ctypes.data, width, width, case.page_size, count, 0), table

    def paged_tokens(self, table: Array, count: int, dim: int) -> tuple[TensorArg, list[Array]]:
        case = self.case
        shape = (count, case.page_size, case.kv_heads, dim)
        buffer, view = strided(shape, case.strides, case.kv_dtype)
        poison(buffer)
        parts = []
        for row, stored, n in zip(self.rows, case.stored, case.kv_lengths, strict=True):
            part = self.values((n, case.kv_heads, dim), case.kv_dtype)
            for token in range(n):
                page, slot = divmod(stored - n + token, case.page_size)
                view[table[row, page], slot] = part[token]
            parts.append(part)
        self.inputs.append(buffer)
        return tensor_arg(view), parts


def build(case: Case) -> Problem:
    b = _Builder(case)
    args = ForwardArgs()
    args.q_lengths, q_total = b.lengths(case.q_lengths, case.q_layout)
    args.q, q = b.input_tokens(
        case.q_lengths, case.q_layout, (case.q_heads, case.head_dim), q_total
    )
    qv: list[Array] = []
    if case.qv:
        args.qv, qv = b.input_tokens(
            case.q_lengths, case.q_layout, (case.q_heads, case.value_dim), q_total
        )
    if case.joined:
        k, v = _joined_keys(b, args)
    elif case.kv_layout == "paged":
        args.pages, table = b.pages()
        args.kv_lengths = LengthArgs(
            0, b.ints(case.stored).ctypes.data, args.pages.table_width * case.page_size, 0
        )
        args.k, k = b.paged_tokens(table, args.pages.page_count, case.head_dim)
        args.v, v = b.paged_tokens(table, args.pages.page_count, case.value_dim)
        if case.bad_pages:
            table[:, ::2] += np.int32(1 << 30)
            table[:, 1::2] -= np.int32(1 << 30)
    else:
        args.kv_lengths, _ = b.lengths(case.stored, case.kv_layout)
        args.k, k = b.key_tokens(args.kv_lengths, case.head_dim)
        args.v, v = b.key_tokens(args.kv_lengths, case.value_dim)
    view, out = b.tokens(case.q_lengths, case.q_layout, (case.q_heads, case.value_dim), q_total)
    b.outputs.append(b.buffer)
    args.out = tensor_arg(view)
    problem = Problem(case, args, b.inputs, b.outputs, q, k, v, qv, out)
    _add_lse(problem, q_total)
    _add_scalars(problem)
    _add_dropout(problem)
    add_options(problem, b.rows)
    return problem


def _joined_keys(b: _Builder, args: ForwardArgs) -> tuple[list[Array], list[Array]]:
    """Keys and values side by side in one tensor: per sequence k and v."""
    case = b.case
    width = case.value_dim + case.head_dim
    if case.kv_layout == "paged":
        args.pages, table = b.pages()
        args.kv_lengths = LengthArgs(
            0, b.ints(case.stored).ctypes.data, args.pages.table_width * case.page_size, 0
        )
        args.v, parts = b.paged_tokens(table, args.pages.page_count, width)
    else:
        args.kv_lengths, _ = b.lengths(case.stored, case.kv_layout)
        args.v, parts = b.key_tokens(args.kv_lengths, width)
    args.k = args.v
    if args.v.address:
        args.k.address += case.value_dim * 2
    border = case.value_dim
    return [p[..., border:] for p in parts], [p[..., :border] for p in parts]


def _add_lse(problem: Problem, total: int) -> None:
    case = problem.case
    if case.lse == "none":
        return
    batch = 1 if case.q_layout == "packed" else len(case.q_lengths)
    lse = on_a_line((batch, case.q_heads, total), np.float32)
    lse[...] = 12345.0
    problem.outputs.append(lse)
    by_token = lse.transpose(0, 2, 1)
    problem.args.lse = tensor_arg(by_token)
    first = case.outside_tokens
    for b, n in enumerate(case.q_lengths):
        if case.q_layout == "packed":
            problem.lse.append(by_token[0, first : first + n])
            first += n + (SPARE_TOKENS if case.seqused else 0)
        else:
            problem.lse.append(by_token[b, :n])


def _add_scalars(problem: Problem) -> None:
    case, args = problem.case, problem.args
    args.batch = len(case.q_lengths)
    args.q_heads, args.kv_heads = case.q_heads, case.kv_heads
    args.head_dim, args.value_dim = case.head_dim, case.value_dim
    args.heads_per_row_group = case.packed_heads
    rows = min(case.task_rows, case.most_task_rows)
    args.cut = TaskCut(rows, case.cut_blocks, min(case.rest_rows or rows, rows))
    args.window_left, args.window_right = case.window
    args.attention_chunk = case.chunk
    args.scale, args.softcap = case.softmax_scale, case.softcap
    args.empty_lse = float(case.lse) if case.lse != "none" else 0.0
    args.task_order = LATE_BLOCKS if case.window[1] >= 0 else EARLY_BLOCKS
    if case.qv:
        args.task_order = SEQUENCES
    for name in ("q", "k", "v", "qv"):
        parts, dtype = getattr(problem, name), case.kv_dtype if name in "kv" else case.dtype
        setattr(problem, name, [to_float64(np.ascontiguousarray(p), dtype) for p in parts])
    if case.int8:
        _add_scales(problem)


def _add_scales(problem: Problem) -> None:
    """Scales with which codes are about as large as `magnitude`."""
    case, rng = problem.case, np.random.default_rng(problem.case.seed + 1)
    shape = (case.kv_heads,) if case.int8 == "head" else (len(case.q_lengths), case.kv_heads)
    for name in ("k", "v"):
        # Strides that are not those of a contiguous tensor.
        buffer = np.zeros((*shape, 2), np.float32)
        buffer[..., 0] = case.magnitude / 64 * (0.5 + rng.random(shape))
        scales = buffer[..., 0]
        problem.inputs.append(buffer)
        steps = [stride // 4 for stride in scales.strides]
        arg = ScaleArgs(scales.ctypes.data, steps[0] if len(steps) == 2 else 0, steps[-1])
        setattr(problem.args, f"{name}_scale", arg)
        values = [
            part
            * np.broadcast_to(scales[b] if len(steps) == 2 else scales, part.shape[1:2])[:, None]
            for b, part in enumerate(getattr(problem, name))
        ]
        setattr(problem, name, values)


def _add_dropout(problem: Problem) -> None:
    case, dropout = problem.case, problem.args.dropout
    dropout.seed, dropout.offset = case.rng_state
    dropout.threshold, dropout.kept = threshold(case.dropout), 1.0 - case.dropout
    if not case.probs:
        return
    rows, columns = (
        arg.limit + spare
        for arg, spare in zip(
            (problem.args.q_lengths, problem.args.kv_lengths), SPARE_PROBS, strict=True
        )
    )
    shape = len(case.q_lengths), case.q_heads, rows, columns
    problem.probs = to_storage(np.full(shape, 77.0), case.dtype)
    problem.outputs.append(problem.probs)
    strides = [stride // problem.probs.itemsize for stride in problem.probs.strides]
    dropout.probs = TensorArg(problem.probs.ctypes.data, strides[0], strides[2], strides[1])
    dropout.probs_rows, dropout.probs_columns = rows, columns


@dataclass(frozen=True)
class Bucket:
    """An instantiation of the kernel: the largest dims it takes, keys of a unit of work."""

    name: str
    head_dim: int
    value_dim: int
    longest_stack: int = 512

    def stack_keys_with(self, suffix: str) -> int:
        """Keys of a unit, of a kernel whose name ends so."""
        return 512 if suffix and self.head_dim > 64 else self.longest_stack

    @property
    def task_rows(self) -> int:
        """At most."""
        return 256 if self.value_dim <= 128 else 224 if self.value_dim <= 256 else 128

    def task_rows_with(self, suffix: str) -> int:
        """The same of a kernel whose name ends so: with extras, or of an int8 cache."""
        return min(self.task_rows, 128) if suffix and self.value_dim > 128 else self.task_rows

    def workspace_bytes(self, cores: int, suffix: str = "") -> int:
        """As buffers/workspace.h: three slots of scores, probabilities, partial output; of an int8
        kernel also four of cast keys and values."""
        keys = self.stack_keys_with(suffix)
        row = keys * (4 + 2) + self.value_dim * 4
        stacks = 4 * keys * (self.head_dim + self.value_dim) * 2 if suffix == "_int8" else 0
        return cores * (3 * self.task_rows * row + stacks)


BUCKETS = (
    Bucket("d64", 64, 64, 1024),
    Bucket("d128", 128, 128, 1024),
    Bucket("d192v128", 192, 128),
    Bucket("d256", 256, 256),
)
MLA = Bucket("mla", 576, 512)


def bucket_of(head_dim: int, value_dim: int, qv: bool = False) -> Bucket:
    """The smallest bucket that takes the dims."""
    if qv:
        return MLA
    fits = (b for b in (*BUCKETS, MLA) if head_dim <= b.head_dim and value_dim <= b.value_dim)
    return next(fits)


def run(sim: ModuleType, problem: Problem, options: Any) -> Any:
    case, args = problem.case, problem.args
    bucket = bucket_of(case.head_dim, case.value_dim, case.qv)
    workspace = on_a_line((bucket.workspace_bytes(case.cores, case.suffix),), np.uint8)
    args.workspace = workspace.ctypes.data
    return sim.run(
        case.kernel,
        case.cores,
        [bytes(args)],
        options=options,
        buffers_in=[a for a in problem.inputs if a.size],
        buffers_out=[a for a in (*problem.outputs, *problem.partials, workspace) if a.size],
    )


def run_combine(sim: ModuleType, problem: Problem, options: Any) -> Any:
    """The second launch, of a case with splits."""
    assert problem.combine is not None
    return sim.run(
        f"fa_combine_{problem.case.dtype}",
        2 * problem.case.cores,
        [bytes(problem.combine)],
        options=options,
        buffers_in=[a for a in (*problem.inputs, *problem.partials) if a.size],
        buffers_out=[a for a in problem.outputs if a.size],
    )
