"""Predicted time of decoding and of many short sequences: the simulator's timing model, no chip.

    python benchmarks/npu_decode.py build/sim

after `./dev sim`. 32 query heads, 8 KV heads, D = 128, bf16, one query per sequence; then B = 1024
sequences of 128 tokens with 24 and 4 heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import npu_timing
import numpy as np
from npu_timing import CORES, tensor

from npu.kernel_args import ForwardArgs, LengthArgs, ScaleArgs

HBM_BYTES_PER_US = 1.6e6
HEAD_DIM = 128
# The goals: part of HBM's rate while decoding, microseconds for the many short sequences.
HBM_TARGET, SHORT_TARGET = 0.8, 2500.0


@dataclass(frozen=True)
class Shape:
    batch: int
    queries: int
    keys: int
    q_heads: int = 32
    kv_heads: int = 8
    int8: bool = False  # the cache, with a scale per head

    @property
    def bytes(self) -> int:
        """q, k, v and out, once."""
        cache = 2 * self.keys * self.kv_heads * (1 if self.int8 else 2)
        return self.batch * (cache + 2 * self.queries * self.q_heads * 2) * HEAD_DIM

    def rate(self, microseconds: float) -> float:
        """Of HBM's."""
        return self.bytes / microseconds / HBM_BYTES_PER_US


SHORT = Shape(1024, 128, 128, 24, 4)


def predict(sim: ModuleType, shape: Shape, profile: str) -> Any:
    """What the simulator's run returns, without splits."""
    args = ForwardArgs(batch=shape.batch, q_heads=shape.q_heads, kv_heads=shape.kv_heads)
    args.head_dim = args.value_dim = HEAD_DIM
    args.heads_per_row_group = shape.q_heads // shape.kv_heads
    args.scale = HEAD_DIM**-0.5
    args.window_left, args.window_right = -1, -1
    args.q_lengths = LengthArgs(0, 0, shape.queries, 0)
    args.kv_lengths = LengthArgs(0, 0, shape.keys, 0)
    queries = (shape.batch, shape.queries, shape.q_heads, HEAD_DIM)
    keys = (shape.batch, shape.keys, shape.kv_heads, HEAD_DIM)
    q, args.q = tensor(sim, queries)
    size = 1 if shape.int8 else 2
    k, args.k = tensor(sim, keys, size)
    v, args.v = tensor(sim, keys, size)
    out, args.out = tensor(sim, queries)
    inputs = [q, k, v]
    if shape.int8:
        inputs.append(np.ones(shape.kv_heads, np.float32))
        args.k_scale = args.v_scale = ScaleArgs(inputs[-1].ctypes.data, 0, 1)
    suffix = "_int8" if shape.int8 else ""
    return npu_timing.predict(sim, args, "bf16", inputs, [out], profile, suffix)


def main() -> None:
    parser = npu_timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--keys", type=int, nargs="+", default=[4096, 32768])
    parser.add_argument("--int8", action="store_true", help="beside each, a cache in int8")
    options = parser.parse_args()
    kinds = (False, True) if options.int8 else (False,)
    sim = npu_timing.simulator(options.build)
    shapes = [
        Shape(b, 1, n, int8=int8) for b in options.batches for n in options.keys for int8 in kinds
    ]
    print(f"profile {options.profile}, {CORES} cores, D = 128, bf16; HBM at 1.6 TB/s")
    print("     B    Sq      Sk  heads        us  of HBM   target  bound by")
    for shape in (*shapes, SHORT):
        timing = predict(sim, shape, options.profile).timing
        target = f"{SHORT_TARGET:.0f} us" if shape == SHORT else f"{HBM_TARGET:.0%}"
        print(
            f"{shape.batch:6} {shape.queries:5} {shape.keys:7}"
            f"  {shape.q_heads:2}/{shape.kv_heads:2}  {timing.microseconds:8.0f}"
            f"  {shape.rate(timing.microseconds):5.1%}  {target:>7}  {timing.bound_by}"
            f"{', int8 cache' if shape.int8 else ''}"
        )
        if options.detail:
            print(timing.text)


if __name__ == "__main__":
    main()
