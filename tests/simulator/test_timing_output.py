"""What a prediction looks like: text, JSON, trace, picture, errors, determinism."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from .conftest import ROOT
from .timing_runs import predict

PLOT = ROOT / "simulator" / "tools" / "plot_timeline.py"


def test_every_figure_is_called_predicted(sim: ModuleType) -> None:
    timing = predict(sim, "timing_attention", 1, [128, 2048, 256])
    lines = timing.text.splitlines()
    assert lines[0] == "predicted by profile default (not measured):"
    assert all(line.startswith("  predicted ") for line in lines[1:])
    data = json.loads(timing.json)
    assert data["profile"] == "default"
    labels = {key.split("_")[0] for key in data if key != "profile"}
    assert labels == {"predicted", "assumed"}
    assert data["predicted_cycles"] == pytest.approx(timing.cycles, abs=0.01)


def test_predictions_repeat_exactly(sim: ModuleType) -> None:
    first = predict(sim, "timing_attention", 4, [1024, 2048, 256])
    second = predict(sim, "timing_attention", 4, [1024, 2048, 256])
    assert first.cycles == second.cycles
    assert first.json == second.json


def test_known_predictions(sim: ModuleType) -> None:
    """A change of these is a change of the model: say so in the commit."""
    known = [
        ("timing_add", 1, [0, 0x4000, 0x10000, 1, 8, 10], 1510),
        ("timing_mmad", 1, [128, 256, 64, 8], 4212),
        ("timing_attention", 1, [128, 8192, 256], 124183.5),
        ("timing_attention", 24, [4096, 4096, 256], 144668.7),
    ]
    for kernel, blocks, arguments, cycles in known:
        timing = predict(sim, kernel, blocks, arguments)
        assert timing.cycles == pytest.approx(cycles, rel=1e-3), kernel


def test_real_data_and_virtual_buffers_give_the_same_time(sim: ModuleType) -> None:
    tiles = 16
    arrays = [np.zeros(tiles * 2048, np.float32) for _ in range(3)]
    virtual = [sim.Virtual(a.nbytes) for a in arrays]
    options = sim.Options()
    options.timing = True
    with_data = sim.run("double_buffered_add", 4, [*arrays, tiles], [2], options).timing
    without = predict(sim, "double_buffered_add", 4, [*virtual, tiles])
    assert with_data.json == without.json


def test_virtual_buffers_hold_nothing(sim: ModuleType) -> None:
    virtual = sim.Virtual(1 << 40)
    assert virtual.nbytes == 1 << 40
    with pytest.raises(ValueError, match="argument 0 has no memory"):
        sim.run("double_buffered_add", 1, [virtual, virtual, virtual, 1])
    with pytest.raises(ValueError, match="positive size"):
        sim.Virtual(0)


def test_outside_of_a_virtual_buffer(sim: ModuleType) -> None:
    options = sim.Options()
    options.execute = False
    buffers = [sim.Virtual(2048 * 4) for _ in range(3)]
    result = sim.run("double_buffered_add", 1, [*buffers, 2], [2], options)
    assert any("gm bounds" in report for report in result.reports)


def test_unknown_names(sim: ModuleType) -> None:
    arguments = [128, 128, 64, 1]
    with pytest.raises(ValueError, match="no timing profile fast; there are: default"):
        predict(sim, "timing_mmad", 1, arguments, "fast")
    with pytest.raises(ValueError, match="no variant 910A of the chip; there are: 910B1"):
        predict(sim, "timing_mmad", 1, arguments, "default@910A")


def test_profiles_and_constants(sim: ModuleType) -> None:
    assert sim.profiles() == ["default", "documented-vector", "pessimistic-gm"]
    constants = sim.timing_constants()
    assert len({c[0] for c in constants}) == len(constants)
    for field, values, unit, mark, source in constants:
        assert mark in "DMI" and unit and source and len(values) == 3, field
    cast = next(c for c in constants if c[0] == "kCastNarrow 4 B")
    assert cast[1] == [2, 1, 2]


def test_documented_vector_profile_is_faster(sim: ModuleType) -> None:
    usual = predict(sim, "timing_attention", 1, [128, 4096, 256])
    documented = predict(sim, "timing_attention", 1, [128, 4096, 256], "documented-vector")
    busy = [
        next(p.busy_cycles for p in t.pipes if (p.core, p.pipe) == ("AIV", "V"))
        for t in (usual, documented)
    ]
    assert busy[1] < 0.92 * busy[0]


def test_trace(sim: ModuleType, tmp_path: Path) -> None:
    timing = predict(sim, "timing_attention", 1, [128, 1024, 256], trace=True)
    data = json.loads(timing.trace)
    assert data["otherData"]["time"] == "predicted"
    bars = [e for e in data["traceEvents"] if e["ph"] == "X"]
    names = {e["name"] for e in bars}
    assert {"Mmad", "Fixpipe", "LoadData", "DataCopy", "Exp"} <= names
    assert all(e["args"]["line"].startswith("timing_attention.cpp:") for e in bars)
    assert max(e["ts"] + e["dur"] for e in bars) <= timing.cycles / 1800 + 1e-3
    busiest: dict[tuple[int, int], float] = {}
    for event in sorted(bars, key=lambda e: e["ts"]):  # a pipe does one thing at a time
        row = (event["pid"], event["tid"])
        assert event["ts"] >= busiest.get(row, 0) - 2e-4
        busiest[row] = event["ts"] + event["dur"]
    assert not predict(sim, "timing_attention", 1, [128, 1024, 256]).trace

    trace, picture = tmp_path / "trace.json", tmp_path / "tile.svg"
    trace.write_text(timing.trace)
    subprocess.run(
        [sys.executable, PLOT, trace, picture, "--begin", "3000", "--end", "8000"], check=True
    )
    rows = ET.parse(picture).getroot()
    texts = [t.text or "" for t in rows.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Predicted cycles, profile default"
    assert {"AIC 0.0 M", "AIC 0.0 FIX", "AIV 0.0 V", "AIV 0.1 MTE2"} <= set(texts)
