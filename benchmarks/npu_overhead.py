"""What one call with NPU tensors costs on the host: Python, dispatcher, checks, plan, enqueueing.

Runs under the simulated CANN runtime, with a kernel object that starts nothing, so that no
simulated kernel takes the processor meanwhile. Prints microseconds of the calling thread's
processor time, which says on a busy machine what wall time says on a quiet one; the best of many
rounds.

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
CALLS = 300  # of a round; torch_npu's task queue holds 4096


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


def cost(call: Callable[[], object], rounds: int) -> float:
    """Microseconds per call, the best round."""
    synchronize = importlib.import_module("torch_npu").npu.synchronize
    best = float("inf")
    for _ in range(rounds):
        synchronize()
        begin = time.thread_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.thread_time() - begin)
    return best / CALLS * 1e6


def measure(wheel: str, rounds: int) -> list[dict[str, Any]]:
    """The functions of one wheel, and the steps of a plain call."""
    import torch

    module = importlib.import_module(MODULES[wheel])
    common = {n: importlib.import_module(f"{MODULES[wheel]}._common.{n}") for n in ("cpu", "npu")}
    q, k, v = (torch.randn(1, 16, 8, 64).half().to("npu") for _ in range(3))
    cache = [torch.randn(4, 128, 8, 64).half().to("npu") for _ in range(2)]
    token = torch.randn(4, 1, 8, 64).half().to("npu")
    lengths = torch.full((4,), 100, dtype=torch.int32).to("npu")

    def outputs(x: Any) -> object:
        return torch.empty_like(x), x.new_empty((1, 8, 16), dtype=torch.float32)

    def plain() -> object:
        return module.flash_attn_func(q, k, v)

    def decode() -> object:
        return module.flash_attn_with_kvcache(token, *cache, cache_seqlens=lengths)

    allocation = cost(lambda: outputs(q), rounds)
    implementation = cost(lambda: common["cpu"].forward_dense(q, k, v), rounds)
    whole = cost(plain, rounds)
    workspace = cost(lambda: common["npu"].workspace(q, 1 << 20), rounds)
    stream = cost(lambda: common["npu"].current_stream(q), rounds)
    rows = [
        ("flash_attn_func, whole", whole, whole - allocation),
        ("  allocation of out and softmax_lse", allocation, 0.0),
        ("  public function and dispatcher", whole - implementation, whole - implementation),
        ("  workspace", workspace, workspace),
        ("  handle of the stream", stream, stream),
    ]
    rest = implementation - allocation - workspace - stream
    rows.append(("  checks, plan, arguments, enqueueing", rest, rest))
    decoding = cost(decode, rounds)
    rows.append(("flash_attn_with_kvcache, whole", decoding, decoding - allocation))
    return [
        {"wheel": wheel, "step": step, "us": round(us, 2), "net_us": round(net, 2)}
        for step, us, net in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
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
