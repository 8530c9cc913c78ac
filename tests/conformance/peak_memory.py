"""Prints the extra memory, in MB, of forward plus backward at S = 32768 (run by limits.py).

python tests/conformance/peak_memory.py flash_attn
"""

from __future__ import annotations

import argparse
import importlib
import resource
from pathlib import Path

import torch

TOKENS, DIM = 32768, 128
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def status_mb(field: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in {STATUS}")


def peak_mb() -> float:
    if STATUS.exists():
        return status_mb("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(module: str) -> None:
    wheel = importlib.import_module(module)

    def step(tokens: int) -> None:
        generator = torch.Generator().manual_seed(0)
        q, k, v = (
            torch.randn(1, tokens, 1, DIM, generator=generator).requires_grad_() for _ in range(3)
        )
        dout = torch.randn(1, tokens, 1, DIM, generator=generator)
        if CLEAR.exists():
            CLEAR.write_text("5")  # resets VmHWM
        before = status_mb("VmRSS") if STATUS.exists() else peak_mb()
        out = wheel.flash_attn_func(q, k, v, causal=True)
        torch.autograd.grad(out, (q, k, v), dout)
        print(f"{tokens} tokens: extra MB {peak_mb() - before:.1f}")

    step(256)  # loads code, starts threads
    step(TOKENS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("module", help="flash_attn or flash_attn_interface")
    main(parser.parse_args().module)
