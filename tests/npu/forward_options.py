"""What a forward case adds to its tensors: the cache's rows, sinks, slopes, splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npu.halves import Array, to_float64, to_storage
from npu.kernel_args import CombineArgs, TensorArg

if TYPE_CHECKING:
    from npu.forward_case import Case, Problem

FLOAT32, FLOAT16, BFLOAT16 = range(3)  # of fa::DType
_SINK_DTYPES = {"fp32": FLOAT32, "fp16": FLOAT16, "bf16": BFLOAT16}


def add_options(problem: Problem, rows: Array) -> None:
    """`rows`: of the cache, by sequence."""
    case = problem.case
    if case.leftpad:
        problem.args.cache.leftpad = _ints(problem, case.leftpad)
    if case.batch_idx:
        problem.args.cache.batch_idx = _ints(problem, rows)
    problem.args.cache.rows = int(rows.max(initial=-1)) + 1
    if case.new_lengths:
        _add_new_tokens(problem)
    if case.sinks:
        _add_sinks(problem)
    if case.alibi:
        _add_slopes(problem)
    if case.splits > 1:
        _add_splits(problem)


def _ints(problem: Problem, values: object) -> int:
    array = np.ascontiguousarray(values, np.int32)
    problem.inputs.append(array)
    return array.ctypes.data


def _add_new_tokens(problem: Problem) -> None:
    case, args = problem.case, problem.args
    held = np.subtract(case.stored, case.new_lengths)
    args.kv_lengths.seqused = _ints(problem, held)
    args.cache.capacity = args.kv_lengths.limit
    if len(set(case.new_lengths)) == 1:
        args.cache.new_limit = case.new_lengths[0]
        return
    starts = np.concatenate([[0], np.cumsum(case.new_lengths)])
    args.cache.cu_seqlens_new, args.cache.new_limit = _ints(problem, starts), int(starts[-1])


def _add_sinks(problem: Problem) -> None:
    case, sink = problem.case, problem.args.sink
    drawn = np.random.default_rng(case.seed + 1).standard_normal(case.q_heads) * 3
    drawn[:1] = 1e-6  # subnormal in fp16
    if case.sinks == "fp32":
        stored: Array = drawn.astype(np.float32)
        problem.sinks = stored.astype(np.float64)
    else:
        stored = to_storage(drawn, case.sinks)
        problem.sinks = to_float64(stored, case.sinks)
    apart = np.zeros((case.q_heads, 2), stored.dtype)
    apart[:, 0] = stored
    problem.inputs.append(apart)
    sink.values, sink.stride, sink.dtype = apart.ctypes.data, 2, _SINK_DTYPES[case.sinks]


def _add_slopes(problem: Problem) -> None:
    case, alibi = problem.case, problem.args.alibi
    batch = len(case.q_lengths) if case.alibi == "batch" else 1
    drawn = np.random.default_rng(case.seed + 2).random((batch, case.q_heads)).astype(np.float32)
    problem.inputs.append(drawn)
    shape = len(case.q_lengths), case.q_heads
    problem.slopes = np.broadcast_to(drawn, shape).astype(np.float64)
    alibi.slopes, alibi.head_stride = drawn.ctypes.data, 1
    alibi.batch_stride = case.q_heads if case.alibi == "batch" else 0
    alibi.by_column = int(case.alibi == "columns")


def _add_splits(problem: Problem) -> None:
    case, args = problem.case, problem.args
    packed = case.q_layout == "packed"
    tokens = args.q_lengths.tokens if packed else args.q_lengths.limit
    shape = case.splits, 1 if packed else len(case.q_lengths), case.q_heads, tokens
    out = np.full((*shape, case.value_dim), 99.0, np.float32)
    lse = np.full(shape, 99.0, np.float32)
    problem.partials = [out, lse]
    args.splits.out, args.splits.lse = _by_token(out, packed), _by_token(lse[..., None], packed)
    args.splits.out_stride, args.splits.lse_stride = out[0].size, lse[0].size
    args.splits.count = case.splits
    problem.combine = _combine_args(case, problem)


def _by_token(partials: Array, packed: bool) -> TensorArg:
    """Of [splits, B, Hq, S, columns]."""
    _, batch, head, seq, _ = (stride // partials.itemsize for stride in partials.strides)
    return TensorArg(
        partials.ctypes.data if partials.size else 0, 0 if packed else batch, seq, head
    )


def _combine_args(case: Case, problem: Problem) -> CombineArgs:
    args = problem.args
    return CombineArgs(
        partials=args.splits,
        out=args.out,
        lse=args.lse,
        q_lengths=args.q_lengths,
        batch=args.batch,
        q_heads=case.q_heads,
        value_dim=case.value_dim,
        empty_lse=args.empty_lse,
    )
