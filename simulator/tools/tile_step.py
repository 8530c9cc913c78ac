"""Time that the simulator itself takes per tile step of attention, in each mode.

    python simulator/tools/tile_step.py <build folder> [--tiles 64]

A tile step is 128 queries against 128 keys, head dim 128: two Mmads with their loads, two Fixpipes
and about ten passes of the vector units, on one core: attention_pipeline of tests/simulator.
Prints the best of several runs: milliseconds of this machine, not of an NPU.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROUNDS = 5
MODES: dict[str, dict[str, bool]] = {
    "functional, all checks": {},
    "functional, all checks, timing": {"timing": True},
    "functional, no checks": {"checks": False, "hazards": False},
    "timing only": {"checks": False, "hazards": False, "execute": False, "timing": True},
}


def load(build: Path) -> ModuleType:
    """The Python module of a build folder, with the kernel."""
    sys.path.insert(0, str(build))
    sim = importlib.import_module("_ascsim")
    for library in build.rglob("libattention_pipeline_ai[cv].so"):
        sim.load(str(library))
    return sim


def seconds_per_step(sim: ModuleType, tiles: int, settings: dict[str, bool]) -> float:
    """Seconds of this machine for one tile step."""
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((n * 128, 128)).astype(np.float16) for n in (1, tiles, tiles))
    arguments: list[Any] = [q, k, v, np.zeros_like(q), np.zeros(320 * 1024, np.uint8), tiles, 0.1]
    options = sim.Options()
    for name, value in settings.items():
        setattr(options, name, value)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = sim.run("attention_pipeline", 1, arguments, [3, 4], options)
        best = min(best, time.perf_counter() - start)
        if result.reports:
            sys.exit("\n".join(result.reports))
    return best / tiles


def main() -> None:
    """Prints one line per mode."""
    parser = argparse.ArgumentParser(description="time of the simulator per tile step")
    parser.add_argument("build", type=Path)
    parser.add_argument("--tiles", type=int, default=64)
    options = parser.parse_args()
    sim = load(options.build.resolve())
    print(f"{'mode':32}{'ms per tile step':>18}")
    for mode, settings in MODES.items():
        print(f"{mode:32}{1e3 * seconds_per_step(sim, options.tiles, settings):18.3f}")


if __name__ == "__main__":
    main()
