"""What the predictions for NPU kernels share: the simulator's timing model, no chip involved."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from npu.forward_case import bucket_of  # noqa: E402
from npu.kernel_args import (  # noqa: E402
    SEQUENCES,
    CombineArgs,
    ForwardArgs,
    TaskCut,
    TensorArg,
)
from npu.task_cut import CutWork, best_cut  # noqa: E402

CORES = 24
CLOCK_MHZ = 1800.0


def parser(description: str) -> argparse.ArgumentParser:
    """The options of every prediction."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("build", type=Path, nargs="?", default=ROOT / "build/sim")
    made.add_argument("--profile", default="default")
    made.add_argument("--detail", action="store_true", help="time of every pipe")
    return made


def simulator(build: Path) -> ModuleType:
    """The module of a build folder, with its kernels."""
    sys.path.insert(0, str(build))
    sim = importlib.import_module("_ascsim")
    for library in sorted(build.glob("further_kernels/kernels/lib*_ai[cv].so")):
        sim.load(str(library))
    return sim


def tensor(
    sim: ModuleType, shape: tuple[int, int, int, int], size: int = 2
) -> tuple[Any, TensorArg]:
    """A tensor [B, S, H, D] that exists for the timing only; `size`: bytes of an element."""
    batch, tokens, heads, dim = shape
    memory = sim.Virtual(batch * tokens * heads * dim * size)
    return memory, TensorArg(memory.address, tokens * heads * dim, heads * dim, dim)


def predict(
    sim: ModuleType,
    args: ForwardArgs,
    dtype: str,
    inputs: list[Any],
    outputs: list[Any],
    profile: str,
    suffix: str = "",
    cut: TaskCut | None = None,
) -> Any:
    """Times a forward kernel of the bucket that `args` needs; returns the simulator's run.
    `suffix`: of its name, for extras or an int8 cache; `cut`: instead of
    the one that the host would choose."""
    bucket = bucket_of(args.head_dim, args.value_dim, args.qv.address != 0)
    args.cut = cut or _cut(args, bucket.task_rows_with(suffix))
    workspace = sim.Virtual(bucket.workspace_bytes(CORES, suffix))
    args.workspace = workspace.address
    return sim.run(
        f"fa_forward_{dtype}_{bucket.name}{suffix}",
        CORES,
        [bytes(args)],
        options=_options(sim, profile),
        buffers_in=inputs,
        buffers_out=[*outputs, workspace],
    )


def _cut(args: ForwardArgs, rows: int) -> TaskCut:
    """As good as the host's, see tests/npu_host/test_task_cut.py."""
    queries = args.q_lengths.limit
    if args.task_order == SEQUENCES or args.splits.count > 1 or queries <= rows:
        return TaskCut(rows, 0, rows)
    heads = args.heads_per_row_group
    sequences = args.batch * (args.q_heads // heads)
    columns = args.head_dim + args.value_dim
    diagonal = args.window_right >= 0
    return best_cut(CutWork(queries, sequences, heads, CORES, rows, columns, diagonal))[0]


def predict_combine(
    sim: ModuleType,
    args: CombineArgs,
    dtype: str,
    inputs: list[Any],
    outputs: list[Any],
    profile: str,
) -> Any:
    """Times the combine kernel on all vector cores; returns the simulator's run."""
    return sim.run(
        f"fa_combine_{dtype}",
        2 * CORES,
        [bytes(args)],
        options=_options(sim, profile),
        buffers_in=inputs,
        buffers_out=outputs,
    )


def _options(sim: ModuleType, profile: str) -> Any:
    options = sim.Options()
    options.execute = options.checks = options.hazards = False
    options.timing, options.profile = True, profile
    return options
