"""Predicted time of prefill on NPU kernels: the simulator's timing model, no chip involved.

    python benchmarks/npu_predicted.py build/sim

after `./dev sim`. Utilisation is of the cube's peak; causal work counts as the half that is not
masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import npu_timing
from npu_timing import CLOCK_MHZ, CORES, tensor

from fa_testing.dropout_bits import threshold
from npu.kernel_args import EARLY_BLOCKS, LATE_BLOCKS, ForwardArgs, LengthArgs, TaskCut

MAC_PER_CYCLE = 16 * 16 * 16
# The goal, in percent, of non-causal B = 1, H = 16, S = 8k.
TARGET = {(64, 64): 34, (128, 128): 59, (192, 128): 71, (256, 256): 78}


@dataclass(frozen=True)
class Shape:
    tokens: int
    head_dim: int
    value_dim: int
    causal: bool = False
    heads: int = 16
    dropout: float = 0.0

    @property
    def macs(self) -> float:
        pairs = self.tokens * (self.tokens + 1) / 2 if self.causal else self.tokens**2
        return self.heads * pairs * (self.head_dim + self.value_dim)

    def used(self, microseconds: float) -> float:
        """Share of the cube's peak."""
        return self.macs / (microseconds * CORES * MAC_PER_CYCLE * CLOCK_MHZ)


def predict(sim: ModuleType, shape: Shape, profile: str, cut: TaskCut | None = None) -> Any:
    """What the simulator's run returns. `cut`: instead of the one that the host would choose."""
    args = ForwardArgs(batch=1, q_heads=shape.heads, kv_heads=shape.heads, heads_per_row_group=1)
    args.head_dim, args.value_dim = shape.head_dim, shape.value_dim
    args.dropout.kept, args.dropout.threshold = 1.0 - shape.dropout, threshold(shape.dropout)
    args.scale = shape.head_dim**-0.5
    args.window_left, args.window_right = -1, 0 if shape.causal else -1
    args.task_order = LATE_BLOCKS if shape.causal else EARLY_BLOCKS
    args.q_lengths = args.kv_lengths = LengthArgs(0, 0, shape.tokens, 0)
    q, args.q = tensor(sim, (1, shape.tokens, shape.heads, shape.head_dim))
    k, args.k = tensor(sim, (1, shape.tokens, shape.heads, shape.head_dim))
    v, args.v = tensor(sim, (1, shape.tokens, shape.heads, shape.value_dim))
    out, args.out = tensor(sim, (1, shape.tokens, shape.heads, shape.value_dim))
    suffix = "_extras" if shape.dropout > 0 else ""
    return npu_timing.predict(sim, args, "fp16", [q, k, v], [out], profile, suffix, cut)


def main() -> None:
    parser = npu_timing.parser(__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[8192])
    parser.add_argument("--dims", type=int, nargs="+", default=[128], help="D; 192 has Dv = 128")
    parser.add_argument("--dropout", type=float, default=0.0, help="p")
    options = parser.parse_args()
    sim = npu_timing.simulator(options.build)
    print(f"profile {options.profile}, {CORES} cores, B = 1, H = 16, fp16")
    print("tokens  D/Dv     causal        us  MAC %  target  bound by")
    for dim in options.dims:
        for tokens in options.tokens:
            for causal in (False, True):
                value_dim = 128 if dim == 192 else dim
                shape = Shape(tokens, dim, value_dim, causal, dropout=options.dropout)
                timing = predict(sim, shape, options.profile).timing
                used = shape.used(timing.microseconds)
                target = TARGET.get((dim, value_dim), "") if tokens == 8192 else ""
                print(
                    f"{tokens:6}  {dim:3}/{value_dim:3}  {causal!s:>6}  {timing.microseconds:8.0f}"
                    f"  {used:5.1%}  {target!s:>6}  {timing.bound_by}"
                )
                if options.detail:
                    print(timing.text)


if __name__ == "__main__":
    main()
