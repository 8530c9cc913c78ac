"""Cube and vector units hand tiles over through GM: attention of one head against fp64."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

SCALE = 128**-0.5


def problem(cores: int, tiles: int, seed: int = 1) -> list[Any]:
    """Arguments of the kernel: q, k, v, out, workspace, tiles, scale."""
    rng = np.random.default_rng(seed)
    q, k, v = (
        rng.standard_normal((n * 128, 128)).astype(np.float16) for n in (cores, tiles, tiles)
    )
    workspace = np.zeros(cores * 320 * 1024, np.uint8)
    return [q, k, v, np.full_like(q, np.nan), workspace, tiles, SCALE]


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize(("cores", "tiles"), [(1, 1), (1, 2), (2, 3), (3, 8)])
def test_attention(sim: ModuleType, cores: int, tiles: int, auto: bool) -> None:
    arguments = problem(cores, tiles)
    options = sim.Options()
    options.auto_barriers = auto
    result = sim.run("attention_pipeline", cores, arguments, [3, 4], options)
    assert result.reports == [], "\n".join(result.reports)
    q, k, v, out = (x.astype(np.float64) for x in arguments[:4])
    scores = SCALE * (q @ k.T)
    probs = np.exp(scores - scores.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    expected, magnitude = probs @ v, probs @ np.abs(v)
    # Rounding of the output and of the probabilities to fp16, and fp32 sums over keys and head dim.
    condition = SCALE * (np.abs(q) @ np.abs(k).T).max(1, keepdims=True)
    bound = 2.0**-11 * (np.abs(expected) + magnitude)
    bound += 2.0**-24 * (np.sqrt(128 * tiles) + 2 * condition) * magnitude
    bound += (
        2.0**-25
        * np.abs(v).sum(0)
        / np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True)
    )
    assert (np.abs(out - expected) <= 2 * bound).all()
