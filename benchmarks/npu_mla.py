"""Predicted time of decoding with MLA: the simulator's timing model, no chip involved.

    python benchmarks/npu_mla.py build/sim

after `./dev sim`. The absorbed form: one KV head whose latent vectors of 512 values are keys too,
and 64 columns of position; bf16. Utilisation is of the cube's peak.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import npu_timing
from npu_timing import CLOCK_MHZ, CORES, tensor

from npu.kernel_args import (
    SEQUENCES,
    CombineArgs,
    ForwardArgs,
    LengthArgs,
    SplitArgs,
    TensorArg,
)

MAC_PER_CYCLE = 16 * 16 * 16
HEAD_DIM, VALUE_DIM = 64, 512
MAC_TARGET = 0.89


@dataclass(frozen=True)
class Shape:
    batch: int
    queries: int
    keys: int
    heads: int = 128
    joined: bool = False  # keys and values side by side in one cache, else in two
    splits: int = 1

    @property
    def macs(self) -> float:
        pairs = self.queries * self.keys - self.queries * (self.queries - 1) / 2  # causal
        return self.batch * self.heads * pairs * (HEAD_DIM + 2 * VALUE_DIM)

    def used(self, microseconds: float) -> float:
        """Of the cube's peak."""
        return self.macs / (microseconds * CORES * MAC_PER_CYCLE * CLOCK_MHZ)

    @property
    def bytes(self) -> int:
        """The cache, once."""
        return self.batch * self.keys * (HEAD_DIM + VALUE_DIM) * 2


def _caches(sim: ModuleType, shape: Shape, args: ForwardArgs) -> list[Any]:
    if not shape.joined:
        k, args.k = tensor(sim, (shape.batch, shape.keys, 1, HEAD_DIM))
        v, args.v = tensor(sim, (shape.batch, shape.keys, 1, VALUE_DIM))
        return [k, v]
    cache, args.v = tensor(sim, (shape.batch, shape.keys, 1, VALUE_DIM + HEAD_DIM))
    v = args.v
    args.k = TensorArg(v.address + VALUE_DIM * 2, v.batch_stride, v.seq_stride, v.head_stride)
    return [cache]


def _partials(sim: ModuleType, shape: Shape) -> tuple[list[Any], SplitArgs]:
    """Results of splits: [splits, B, Sq, Hq, Dv] and [splits, B, Sq, Hq]."""
    rows = shape.heads * shape.queries
    splits = SplitArgs(count=shape.splits)
    memory = []
    for name, dim in (("out", VALUE_DIM), ("lse", 1)):
        part = sim.Virtual(shape.splits * shape.batch * rows * dim * 4)
        arg = TensorArg(part.address, rows * dim, shape.heads * dim, dim)
        setattr(splits, name, arg)
        setattr(splits, f"{name}_stride", shape.batch * rows * dim)
        memory.append(part)
    return memory, splits


def predict(sim: ModuleType, shape: Shape, profile: str) -> list[Any]:
    """The simulator's timing of the attention, and of the combination if there are splits."""
    args = ForwardArgs(batch=shape.batch, q_heads=shape.heads, kv_heads=1)
    args.head_dim, args.value_dim = HEAD_DIM, VALUE_DIM
    args.heads_per_row_group = shape.heads
    args.scale = (128 + HEAD_DIM) ** -0.5
    args.window_left, args.window_right = -1, 0
    args.task_order = SEQUENCES
    args.q_lengths = LengthArgs(0, 0, shape.queries, 0)
    args.kv_lengths = LengthArgs(0, 0, shape.keys, 0)
    q, args.q = tensor(sim, (shape.batch, shape.queries, shape.heads, HEAD_DIM))
    qv, args.qv = tensor(sim, (shape.batch, shape.queries, shape.heads, VALUE_DIM))
    inputs = [q, qv, *_caches(sim, shape, args)]
    out, args.out = tensor(sim, (shape.batch, shape.queries, shape.heads, VALUE_DIM))
    outputs: list[Any] = [out]
    partials: list[Any] = []
    if shape.splits > 1:
        partials, args.splits = _partials(sim, shape)
        outputs += partials
    timings = [npu_timing.predict(sim, args, "bf16", inputs, outputs, profile).timing]
    if shape.splits > 1:
        combine = CombineArgs(args.splits, args.out, TensorArg(), args.q_lengths)
        combine.batch, combine.q_heads, combine.value_dim = shape.batch, shape.heads, VALUE_DIM
        run = npu_timing.predict_combine(sim, combine, "bf16", partials, [out], profile)
        timings.append(run.timing)
    return timings


def fastest(
    sim: ModuleType, shape: Shape, splits: list[int], profile: str
) -> tuple[float, Shape, list[Any]]:
    """Microseconds, the shape with the number of splits that takes least, and its timings."""
    tried = []
    for count in splits:
        split = replace(shape, splits=count)
        timings = predict(sim, split, profile)
        tried.append((sum(timing.microseconds for timing in timings), split, timings))
    return min(tried, key=lambda one: one[0])


def main() -> None:
    parser = npu_timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--keys", type=int, nargs="+", default=[4096, 32768])
    parser.add_argument("--heads", type=int, nargs="+", default=[128])
    parser.add_argument("--joined", action="store_true", help="keys and values in one cache")
    parser.add_argument(
        "--splits", type=int, nargs="+", default=[1, 2, 3], help="the fastest counts"
    )
    options = parser.parse_args()
    sim = npu_timing.simulator(options.build)
    print(f"profile {options.profile}, {CORES} cores, 576/512, bf16, causal; HBM at 1.6 TB/s")
    print("     B    Sq      Sk  heads  splits        us  of MACs  of HBM  target  bound by")
    for heads in options.heads:
        for batch in options.batches:
            for queries in options.queries:
                for keys in options.keys:
                    given = Shape(batch, queries, keys, heads, options.joined)
                    us, shape, timings = fastest(sim, given, options.splits, options.profile)
                    print(
                        f"{batch:6} {queries:5} {keys:7}  {heads:5}  {shape.splits:6}  {us:8.0f}"
                        f"   {shape.used(us):5.1%}  {shape.bytes / us / 1.6e6:6.1%}"
                        f"  {MAC_TARGET:6.0%}  {timings[0].bound_by}"
                    )
                    if options.detail:
                        print(timings[0].text)


if __name__ == "__main__":
    main()
