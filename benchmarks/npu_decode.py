"""Predicted time of decoding and of many short sequences: the simulator's timing model, no chip.

    python benchmarks/npu_decode.py build/sim

after `./dev sim`. 32 query heads, 8 KV heads, D = 128, bf16, one query per sequence; then B = 1024
sequences of 128 tokens with 24 and 4 heads.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from npu.forward_case import bucket_of  # noqa: E402
from npu.kernel_args import ForwardArgs, LengthArgs, SplitArgs, TensorArg  # noqa: E402

CORES = 24
HBM_BYTES_PER_US = 1.6e6
HEAD_DIM = 128


@dataclass(frozen=True)
class Shape:
    batch: int
    queries: int
    keys: int
    q_heads: int = 32
    kv_heads: int = 8
    splits: int = 1

    @property
    def group(self) -> int:
        return self.q_heads // self.kv_heads

    @property
    def kv_bytes(self) -> int:
        return 2 * self.batch * self.keys * self.kv_heads * HEAD_DIM * 2

    @property
    def other_bytes(self) -> int:
        return 2 * self.batch * self.queries * self.q_heads * HEAD_DIM * 2


def tensor(
    sim: ModuleType, batch: int, tokens: int, heads: int, size: int = 2
) -> tuple[Any, TensorArg]:
    """[B, S, H, D]."""
    memory = sim.Virtual(batch * tokens * heads * HEAD_DIM * size)
    step = heads * HEAD_DIM
    return memory, TensorArg(memory.address, tokens * step, step, HEAD_DIM)


def predict(sim: ModuleType, shape: Shape, profile: str) -> Any:
    """What the simulator's run returns, of the attention without the combining."""
    args = ForwardArgs(batch=shape.batch, q_heads=shape.q_heads, kv_heads=shape.kv_heads)
    args.head_dim = args.value_dim = HEAD_DIM
    args.heads_per_row_group = shape.group if shape.queries < 256 else 1
    args.task_rows = 256
    while args.task_rows < shape.group:
        args.task_rows *= 2
    args.scale = HEAD_DIM**-0.5
    args.window_left, args.window_right = -1, -1
    args.q_lengths = LengthArgs(0, 0, shape.queries, 0)
    args.kv_lengths = LengthArgs(0, 0, shape.keys, 0)
    q, args.q = tensor(sim, shape.batch, shape.queries, shape.q_heads)
    k, args.k = tensor(sim, shape.batch, shape.keys, shape.kv_heads)
    v, args.v = tensor(sim, shape.batch, shape.keys, shape.kv_heads)
    out, args.out = tensor(sim, shape.batch, shape.queries, shape.q_heads)
    written = [out]
    if shape.splits > 1:
        rows = shape.batch * shape.queries * shape.q_heads
        partial, partial_arg = tensor(
            sim, shape.splits * shape.batch, shape.queries, shape.q_heads, 4
        )
        lse = sim.Virtual(shape.splits * rows * 4)
        lse_arg = TensorArg(lse.address, shape.queries * shape.q_heads, 1, shape.queries)
        args.splits = SplitArgs(partial_arg, lse_arg, rows * HEAD_DIM, rows, shape.splits, 0)
        written += [partial, lse]
    workspace = sim.Virtual(bucket_of(HEAD_DIM, HEAD_DIM).workspace_bytes(CORES))
    args.workspace = workspace.address
    options = sim.Options()
    options.execute = options.checks = options.hazards = False
    options.timing, options.profile = True, profile
    words = np.frombuffer(ctypes.string_at(ctypes.addressof(args), ctypes.sizeof(args)), np.uint64)
    return sim.run(
        "fa_forward_bf16_d128",
        CORES,
        [words.copy()],
        options=options,
        buffers_in=[q, k, v],
        buffers_out=[*written, workspace],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("build", type=Path, nargs="?", default=ROOT / "build/sim")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--keys", type=int, nargs="+", default=[4096, 32768])
    parser.add_argument("--profile", default="default")
    parser.add_argument("--detail", action="store_true", help="time of every pipe")
    options = parser.parse_args()
    sys.path.insert(0, str(options.build))
    sim = importlib.import_module("_ascsim")
    for library in sorted(options.build.glob("further_kernels/kernels/lib*_ai[cv].so")):
        sim.load(str(library))
    shapes = [Shape(b, 1, n) for b in options.batches for n in options.keys]
    shapes.append(Shape(1024, 128, 128, 24, 4))
    print(f"profile {options.profile}, {CORES} cores, D = 128, bf16; HBM at 1.6 TB/s")
    print("     B    Sq      Sk  heads        us  of HBM  target      bound by")
    for shape in shapes:
        timing = predict(sim, shape, options.profile).timing
        rate = (shape.kv_bytes + shape.other_bytes) / timing.microseconds / HBM_BYTES_PER_US
        target = "80 %" if shape.queries == 1 else "2500 us"
        print(
            f"{shape.batch:6} {shape.queries:5} {shape.keys:7}"
            f"  {shape.q_heads:2}/{shape.kv_heads:2}"
            f"  {timing.microseconds:8.0f}  {rate:5.1%}  {target:>8}  {timing.bound_by}"
        )
        if options.detail:
            print(timing.text)


if __name__ == "__main__":
    main()
