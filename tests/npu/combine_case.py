"""A case of the combine kernel: its tensors in GM, the launch, fp64."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from npu.halves import STORAGE, UNIT, Array, on_a_line, to_float64
from npu.kernel_args import CombineArgs, LengthArgs, SplitArgs, TensorArg

FP32 = 2.0**-24


@dataclass(frozen=True)
class Case:
    """Partials [splits, B, S, H, Dv]; `layout` orders the axes of the LSE in memory."""

    splits: int = 3
    batch: int = 2
    tokens: int = 17
    heads: int = 3
    value_dim: int = 64
    dtype: str = "fp16"
    layout: str = "bhs"  # bhs, bsh, gaps
    used: tuple[int, ...] | None = None
    lse: bool = True
    cores: int = 3
    seed: int = 0


def strided(shape: tuple[int, ...], layout: str, dtype: Any) -> tuple[Array, Array]:
    """A buffer and a view [splits?, B, S, H, ...] of it."""
    *lead, b, s, h, d = shape
    if layout == "bhs":
        buffer = on_a_line((*lead, b, h, s, d), dtype)
        return buffer, np.swapaxes(buffer, -3, -2)
    if layout == "bsh":
        buffer = on_a_line(shape, dtype)
        return buffer, buffer
    buffer = on_a_line((*lead, b, s + 1, h + 2, d + 5), dtype)
    return buffer, buffer[..., :s, :h, :d]


def tensor_arg(view: Array) -> TensorArg:
    """Of [B, S, H, ...]."""
    strides = [stride // view.itemsize for stride in view.strides[:3]]
    return TensorArg(view.ctypes.data, *strides)


def expected(partial: Array, lse: Array, empty: float) -> tuple[Array, Array]:
    lse = np.where(lse == np.inf, -np.inf, lse.astype(np.float64))
    top = lse.max(0)
    weight = np.exp(lse - np.where(np.isfinite(top), top, 0.0))
    total = weight.sum(0)
    safe = np.where(total > 0, total, 1.0)
    out = (np.where(weight > 0, partial, 0.0).astype(np.float64) * weight / safe).sum(0)
    with np.errstate(divide="ignore"):
        return out, np.where(total > 0, top + np.log(total), empty)[..., 0]


@dataclass
class Problem:
    case: Case
    args: CombineArgs
    partial: Array  # [splits, B, S, H, Dv]
    partial_lse: Array  # [splits, B, S, H, 1]
    out: Array  # [B, S, H, Dv]
    lse: Array
    used: Array  # tokens of each sequence
    inputs: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)


def build(case: Case) -> Problem:
    rng = np.random.default_rng(case.seed)
    shape = (case.splits, case.batch, case.tokens, case.heads)
    partial_buffer, partial = strided((*shape, case.value_dim), case.layout, np.float32)
    lse_buffer, lse = strided((*shape, 1), case.layout, np.float32)
    partial[...] = rng.standard_normal(partial.shape)
    lse[...] = rng.standard_normal(lse.shape) * 8
    lse[rng.random(lse.shape) < 0.2] = -np.inf
    lse[rng.random(lse.shape) < 0.1] = np.inf
    lse[:, :, :1] = -np.inf  # rows without any key
    partial[np.broadcast_to(~np.isfinite(lse), partial.shape)] = np.nan
    dtype = np.float32 if case.dtype == "fp32" else STORAGE[case.dtype]
    out_buffer, out = strided((*shape[1:], case.value_dim), "gaps", dtype)
    result_buffer, result = strided((*shape[1:], 1), "bhs", np.float32)
    result[...] = 77.0
    used = np.array(case.used or [case.tokens] * case.batch, np.int32)
    args = CombineArgs(batch=case.batch, q_heads=case.heads, value_dim=case.value_dim)
    problem = Problem(case, args, partial, lse, out, result, used)
    problem.inputs = [partial_buffer, lse_buffer, *([used] if case.used else [])]
    problem.outputs = [out_buffer, result_buffer]
    _add_args(problem)
    return problem


def _add_args(problem: Problem) -> None:
    case, args = problem.case, problem.args
    args.partials = SplitArgs(
        out=tensor_arg(problem.partial[0]),
        lse=tensor_arg(problem.partial_lse[0]),
        out_stride=problem.partial.strides[0] // 4,
        lse_stride=problem.partial_lse.strides[0] // 4,
        count=case.splits,
    )
    args.out = tensor_arg(problem.out)
    if case.lse:
        args.lse = tensor_arg(problem.lse)
    args.empty_lse = np.inf
    args.q_lengths = LengthArgs(limit=case.tokens)
    if case.used:
        args.q_lengths.seqused = problem.used.ctypes.data


def run(sim: ModuleType, problem: Problem, options: Any) -> Any:
    return sim.run(
        f"fa_combine_{problem.case.dtype}",
        problem.case.cores,
        [bytes(problem.args)],
        options=options,
        buffers_in=problem.inputs,
        buffers_out=problem.outputs,
    )


def assert_right(problem: Problem) -> None:
    case, out, lse = problem.case, problem.out, problem.lse
    want, want_lse = expected(problem.partial, problem.partial_lse, np.inf)
    got = np.asarray(out, np.float64)
    if case.dtype != "fp32":
        got = to_float64(np.ascontiguousarray(out), case.dtype)
    unit = FP32 if case.dtype == "fp32" else UNIT[case.dtype]
    size = np.where(np.isfinite(problem.partial), np.abs(problem.partial), 0.0).max(0)
    bound = 2 * (unit * np.abs(want) + (8 + case.splits) * 16 * FP32 * size) + 1e-7
    for b, n in enumerate(problem.used):
        assert (np.abs(got - want) <= bound)[b, :n].all()
        assert not case.lse or np.allclose(lse[b, :n, :, 0], want_lse[b, :n], rtol=1e-5, atol=1e-5)
        assert (lse[b, n if case.lse else 0 :] == 77.0).all()
        assert (got[b, n:] == 0).all()
