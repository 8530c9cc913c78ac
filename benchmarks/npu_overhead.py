"""What one call with NPU tensors costs on the host: Python, dispatcher, checks, plan, enqueueing.

Runs under the simulated CANN runtime, with a kernel object that starts nothing, so that no
simulated kernel takes the processor meanwhile. Prints microseconds of the calling thread's
processor time, which says on a busy machine what wall time says on a quiet one; the best of many
rounds. The second column is what is above the allocation of the outputs by torch's own functions.

    python simulator/tools/simulated_npu.py run python benchmarks/npu_overhead.py
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODULES = {"v2": "flash_attn", "v3": "flash_attn_interface"}
WARM_UP, CALLS = 10, 100  # of a round; torch_npu's task queue holds 4096


def stand_in(folder: Path) -> None:
    """Copies of the installed packages whose kernel object starts nothing."""
    source = ROOT / "tests/npu_host/stand_in.cpp"
    for name in MODULES.values():
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        package = Path(spec.origin).parent
        skipped = shutil.ignore_patterns("_npu_kernels", "__pycache__")
        shutil.copytree(package, folder / name, ignore=skipped)
        target = folder / name / "_npu_kernels/libfa_npu_kernels.so"
        target.parent.mkdir()
        include = f"-I{ROOT / 'core_kernels/src'}"
        command = ["c++", "-O2", "-std=c++17", "-shared", "-fPIC", include, str(source)]
        subprocess.run([*command, "-o", str(target)], check=True)


def costs(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Microseconds per call, the best round of each; they take turns, so that all of them meet the
    quiet moments of a busy machine."""
    synchronize = importlib.import_module("torch_npu").npu.synchronize
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            synchronize()
            for _ in range(WARM_UP):
                call()
            begin = time.thread_time()
            for _ in range(CALLS):
                call()
            best[name] = min(best[name], time.thread_time() - begin)
    return {name: seconds / CALLS * 1e6 for name, seconds in best.items()}


def steps(wheel: str) -> dict[str, Callable[[], object]]:
    """The functions of a wheel, the parts of a plain call, and what it would cost in Python."""
    import torch

    module = importlib.import_module(MODULES[wheel])
    native = importlib.import_module(f"{MODULES[wheel]}._common.wheel").native
    attend_plain = native.attend_plain
    q, k, v = (torch.randn(1, 16, 8, 64).half().to("npu") for _ in range(3))
    narrow = torch.randn(1, 16, 8, 32).half().to("npu")
    cache = [torch.randn(4, 128, 8, 64).half().to("npu") for _ in range(2)]
    token = torch.randn(4, 1, 8, 64).half().to("npu")
    lengths = torch.full((4,), 100, dtype=torch.int32).to("npu")
    splits, api = (0, 2) if wheel == "v2" else (1, 3)
    options = (None, splits, (-1, -1), 0.0, api, False)

    def outputs() -> object:
        return torch.empty_like(q), q.new_empty((1, 8, 16), dtype=torch.float32)

    def decode() -> object:
        return module.flash_attn_with_kvcache(token, *cache, cache_seqlens=lengths)

    return {
        "outputs": outputs,
        "plain": lambda: module.flash_attn_func(q, k, v),
        "decode": decode,
        "native": lambda: attend_plain(q, k, v, None, None, False, *options),
        # Ends at an option of a type that it does not take; at head dims that do not fit.
        "tensors": lambda: attend_plain(q, k, v, None, None, None, *options),
        "refused": lambda: attend_plain(q, narrow, v, None, None, False, *options),
        # A flag that is no bool does not go the short way.
        "general": lambda: module.flash_attn_func(q, k, v, deterministic=1),
    }


def measure(wheel: str, rounds: int) -> list[dict[str, Any]]:
    """The functions of one wheel, and the steps of a plain call."""
    calls = steps(wheel)
    took = costs(calls, rounds)
    short = calls["native"]() is not None
    outputs, native = took["outputs"], took["native"]
    general = took["general"]
    rows = [
        ("flash_attn_func", took["plain"], took["plain"] - outputs),
        ("flash_attn_with_kvcache", took["decode"], took["decode"] - outputs),
        ("outputs by torch's functions", outputs, 0.0),
    ]
    if short:
        parts = {
            "public function, Python": took["plain"] - native,
            "facts of tensors": took["tensors"],
            "options, outputs, checks": took["refused"] - took["tensors"],
            "plan, workspace, queueing": native - took["refused"],
        }
        rows += [(f"  {step}", us, us) for step, us in parts.items()]
    rows.append(("flash_attn_func, not the short way", general, general - outputs))
    return [
        {"wheel": wheel, "step": step, "us": round(us, 2), "net_us": round(net, 2)}
        for step, us, net in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stand_in(Path(folder))
        sys.path.insert(0, folder)
        os.environ["STAND_IN_TOOLCHAIN"] = "bisheng"
        torch_npu = importlib.import_module("torch_npu")
        rows = [row for wheel in MODULES for row in measure(wheel, options.rounds)]
    print(f"torch_npu {torch_npu.__version__}, simulated device, microseconds of host time")
    for row in rows:
        print(f"{row['wheel']}  {row['step']:38s} {row['us']:8.2f} {row['net_us']:8.2f}")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
