"""Predicted time: a change of kernel or model that moves it by more than 2 % is looked at."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from npu.kernel_args import TaskCut

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
npu_predicted = importlib.import_module("npu_predicted")
npu_decode = importlib.import_module("npu_decode")
npu_mla = importlib.import_module("npu_mla")

# Cycles by (head dim, causal), B = 1, H = 16, S = 2048, default profile. Dv = D, 128 for D = 192.
BASELINE = {
    (64, False): 282188,
    (64, True): 190643,
    (128, False): 305232,
    (128, True): 205353,
    (192, False): 348647,
    (192, True): 221512,
    (256, False): 466289,
    (256, True): 303314,
}
# The host's choice may take this much longer than the best: it counts rows in whole rounds.
CUT_ALLOWED = 1.05
DROPOUT_BASELINE = 543266


@pytest.mark.parametrize(("dim", "causal"), BASELINE)
def test_predicted_cycles(sim: ModuleType, dim: int, causal: bool) -> None:
    shape = npu_predicted.Shape(2048, dim, 128 if dim == 192 else dim, causal)
    cycles = npu_predicted.predict(sim, shape, "default").timing.cycles
    assert cycles == pytest.approx(BASELINE[dim, causal], rel=0.02)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("tokens", [1024, 2048])
@pytest.mark.parametrize("dim", [64, 128, 192, 256])
def test_chosen_cuts_are_near_the_best(
    sim: ModuleType, dim: int, tokens: int, causal: bool
) -> None:
    """Against tasks of one size: the largest, and of 128 rows."""
    shape = npu_predicted.Shape(tokens, dim, 128 if dim == 192 else dim, causal)

    def cycles(rows: int) -> float:
        cut = TaskCut(rows, 0, rows) if rows else None
        return float(npu_predicted.predict(sim, shape, "default", cut).timing.cycles)

    chosen, even = cycles(0), {rows: cycles(rows) for rows in (128, 224 if dim == 256 else 256)}
    print(f"{chosen:.0f}; {even}")
    assert chosen <= CUT_ALLOWED * min(even.values())


@pytest.mark.parametrize("dims", npu_predicted.TARGET, ids=str)
def test_heads_meet_their_goal(sim: ModuleType, dims: tuple[int, int]) -> None:
    """Without a mask."""
    shape = npu_predicted.Shape(8192, *dims)
    used = shape.used(npu_predicted.predict(sim, shape, "default").timing.microseconds)
    assert used >= npu_predicted.TARGET[dims] / 100


def test_predicted_dropout(sim: ModuleType) -> None:
    """D = 128 without a mask."""
    shape = npu_predicted.Shape(2048, 128, 128, dropout=0.1)
    cycles = npu_predicted.predict(sim, shape, "default").timing.cycles
    assert cycles == pytest.approx(DROPOUT_BASELINE, rel=0.02)


# Cycles of decoding at 4,096 keys, and of many short sequences; the time adds a launch.
DECODE_BASELINE = {
    npu_decode.Shape(8, 1, 4096): 170880,
    npu_decode.Shape(64, 1, 4096): 1366997,
    npu_decode.SHORT: 3438044,
}


@pytest.mark.parametrize("shape", DECODE_BASELINE, ids=str)
def test_predicted_decode(sim: ModuleType, shape: Any) -> None:
    timing = npu_decode.predict(sim, shape, "default").timing
    assert timing.cycles == pytest.approx(DECODE_BASELINE[shape], rel=0.02)


def test_many_short_sequences_meet_their_goal(sim: ModuleType) -> None:
    timing = npu_decode.predict(sim, npu_decode.SHORT, "default").timing
    assert timing.microseconds <= npu_decode.SHORT_TARGET


@pytest.mark.parametrize("batch", [8, 16, 64])
def test_decoding_meets_its_goal(sim: ModuleType, batch: int) -> None:
    """Of 4,096 keys; with 8 sequences the launch is a tenth of the time."""
    shape = npu_decode.Shape(batch, 1, 4096)
    timing = npu_decode.predict(sim, shape, "default").timing
    assert shape.rate(timing.microseconds) >= npu_decode.HBM_TARGET


# Cycles of decoding with MLA, by queries and keys: B = 48, 128 heads.
MLA_BASELINE = {(1, 4096): 359493, (2, 4096): 655252, (2, 16384): 2484321}


@pytest.mark.parametrize(("queries", "keys"), MLA_BASELINE)
def test_predicted_mla(sim: ModuleType, queries: int, keys: int) -> None:
    (timing,) = npu_mla.predict(sim, npu_mla.Shape(48, queries, keys), "default")
    assert timing.cycles == pytest.approx(MLA_BASELINE[queries, keys], rel=0.02)


def test_mla_meets_its_goal(sim: ModuleType) -> None:
    """With two queries per sequence; with one HBM binds, see docs/kernels/mla.md."""
    shape = npu_mla.Shape(48, 2, 16384)
    (timing,) = npu_mla.predict(sim, shape, "default")
    assert shape.used(timing.microseconds) >= npu_mla.MAC_TARGET
