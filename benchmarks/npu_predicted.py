"""Predicted time of the NPU forward kernels: the simulator's timing model, no chip involved.

    python benchmarks/npu_predicted.py build/sim

after `./dev sim`. Utilisation is of the cube's peak; causal work counts as the half that is not
masked.
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
from npu.kernel_args import ForwardArgs, LengthArgs, TensorArg  # noqa: E402

CORES = 24
MAC_PER_CYCLE = 16 * 16 * 16
CLOCK_MHZ = 1800.0
# What the issue of these kernels asks for, of non-causal B = 1, H = 16, S = 8k.
TARGET = {(64, 64): 34, (128, 128): 59, (192, 128): 71, (256, 256): 78}


@dataclass(frozen=True)
class Shape:
    tokens: int
    head_dim: int
    value_dim: int
    causal: bool = False
    heads: int = 16

    @property
    def macs(self) -> float:
        pairs = self.tokens * (self.tokens + 1) / 2 if self.causal else self.tokens**2
        return self.heads * pairs * (self.head_dim + self.value_dim)


def tensor(sim: ModuleType, tokens: int, heads: int, dim: int, size: int) -> tuple[Any, TensorArg]:
    memory = sim.Virtual(tokens * heads * dim * size)
    return memory, TensorArg(memory.address, tokens * heads * dim, heads * dim, dim)


def predict(sim: ModuleType, shape: Shape, profile: str) -> Any:
    bucket = bucket_of(shape.head_dim, shape.value_dim)
    args = ForwardArgs(batch=1, q_heads=shape.heads, kv_heads=shape.heads, heads_per_row_group=1)
    args.head_dim, args.value_dim = shape.head_dim, shape.value_dim
    args.task_rows = bucket.task_rows
    args.scale = shape.head_dim**-0.5
    args.window_left, args.window_right = -1, 0 if shape.causal else -1
    args.longest_first = int(shape.causal)
    args.q_lengths = args.kv_lengths = LengthArgs(0, 0, shape.tokens, 0)
    q, args.q = tensor(sim, shape.tokens, shape.heads, shape.head_dim, 2)
    k, args.k = tensor(sim, shape.tokens, shape.heads, shape.head_dim, 2)
    v, args.v = tensor(sim, shape.tokens, shape.heads, shape.value_dim, 2)
    out, args.out = tensor(sim, shape.tokens, shape.heads, shape.value_dim, 2)
    workspace = sim.Virtual(bucket.workspace_bytes(CORES))
    args.workspace = workspace.address
    options = sim.Options()
    options.execute = options.checks = options.hazards = False
    options.timing, options.profile = True, profile
    words = np.frombuffer(ctypes.string_at(ctypes.addressof(args), ctypes.sizeof(args)), np.uint64)
    return sim.run(
        f"fa_forward_fp16_{bucket.name}",
        CORES,
        [words.copy()],
        options=options,
        buffers_in=[q, k, v],
        buffers_out=[out, workspace],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("build", type=Path, nargs="?", default=ROOT / "build/sim")
    parser.add_argument("--tokens", type=int, nargs="+", default=[8192])
    parser.add_argument("--dims", type=int, nargs="+", default=[128], help="D; 192 has Dv = 128")
    parser.add_argument("--profile", default="default")
    parser.add_argument("--detail", action="store_true", help="time of every pipe")
    options = parser.parse_args()
    sys.path.insert(0, str(options.build))
    sim = importlib.import_module("_ascsim")
    for library in sorted(options.build.glob("further_kernels/kernels/lib*_ai[cv].so")):
        sim.load(str(library))
    print(f"profile {options.profile}, {CORES} cores, B = 1, H = 16, fp16")
    print("tokens  D/Dv     causal        us  MAC %  target  bound by")
    for dim in options.dims:
        for tokens in options.tokens:
            for causal in (False, True):
                value_dim = 128 if dim == 192 else dim
                shape = Shape(tokens, dim, value_dim, causal)
                timing = predict(sim, shape, options.profile).timing
                peak = CORES * MAC_PER_CYCLE * CLOCK_MHZ
                used = shape.macs / (timing.microseconds * peak)
                target = TARGET.get((dim, value_dim), "") if tokens == 8192 else ""
                print(
                    f"{tokens:6}  {dim:3}/{value_dim:3}  {causal!s:>6}  {timing.microseconds:8.0f}"
                    f"  {used:5.1%}  {target!s:>6}  {timing.bound_by}"
                )
                if options.detail:
                    print(timing.text)


if __name__ == "__main__":
    main()
