"""The benchmarks: that they run, count right, and that all contestants compute the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from contestants import CACHE_LAYOUT, NO_PEER, OURS, READ, contestants, visible
from fa_testing.case import parse_case, read_cases
from measure import race
from plot import short
from work import count, lengths, visible_pairs

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks"
CASES = sorted((FOLDER / "cases").glob("*.txt"))
PEERS_CASES = [
    "fwd v2.func b=2 sq=9 skv=9 hq=4 hkv=2 d=8 dt=fp32 causal no-lse fill=normal seed=1",
    "fwd v2.func b=1 sq=5 skv=9 hq=2 hkv=2 d=8 dt=fp32 causal fill=normal seed=2",
    "fwd v3.func b=1 sq=9 skv=9 hq=2 hkv=2 d=8 dt=fp32 causal window=3,0 no-lse fill=normal seed=3",
    "fwd v3.func b=1 sq=9 skv=7 hq=2 hkv=2 d=8 dt=fp32 window=3,5 no-lse fill=normal seed=3",
    "fwd v2.varlen b=3 sq=7 skv=9 hq=4 hkv=2 d=8 dt=fp32 causal q_lens=7,2,4 kv_lens=7,9,5 no-lse "
    "fill=normal seed=4",
    "fwd v3.kvcache b=2 sq=1 skv=12 hq=6 hkv=2 d=8 dt=fp32 kv_lens=9,9 page=4 no-lse fill=normal "
    "seed=5",
    "fwd v3.kvcache b=2 sq=1 skv=12 hq=6 hkv=2 d=8 dt=fp32 causal kv_lens=3,12 no-lse fill=normal "
    "seed=6",
    "bwd v2.func b=2 sq=9 skv=9 hq=4 hkv=2 d=8 dt=fp32 causal fill=normal seed=7",
]


def heads_first(result: Any, name: str, line: str) -> list[torch.Tensor]:
    """What a contestant returned, as [H, S, D] per entry, forward only."""
    case = parse_case(line)
    out = result[0] if isinstance(result, tuple) else result
    if name == OURS:
        if case.varlen:
            return [part.transpose(0, 1) for part in out.split(list(case.q_lens))]
        return list(out.transpose(1, 2))
    if isinstance(out, list):
        out = [part[0] for part in out]
    if "folded" in name:
        return [part.reshape(case.hq, 1, case.value_dim) for part in out]
    return [part[:, :length] for part, (length, _) in zip(out, lengths(case), strict=True)]


@pytest.mark.parametrize("line", [line for line in PEERS_CASES if line.startswith("fwd")])
def test_all_contestants_compute_the_same(line: str) -> None:
    calls = contestants(parse_case(line))
    assert len(calls) > 1
    ours = heads_first(calls[OURS](), OURS, line)
    for name in calls.keys() - {READ}:
        theirs = heads_first(calls[name](), name, line)
        for mine, other in zip(ours, theirs, strict=True):
            assert torch.allclose(mine, other, atol=2e-6), name


def test_backward_contestants_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each draws its own dout; the same one is needed to compare.
    monkeypatch.setattr(torch, "randn_like", lambda t: torch.ones(t.shape, dtype=t.dtype))
    calls = contestants(parse_case(PEERS_CASES[-1]))
    ours: Any = calls.pop(OURS)()
    assert set(calls) >= {"sdpa, heads repeated"}
    for name, call in calls.items():
        gradients: Any = call()
        for mine, other in zip(ours, gradients, strict=True):
            theirs = other.transpose(1, 2)
            if theirs.shape != mine.shape:  # gradients of repeated heads, still apart
                theirs = theirs.unflatten(2, (2, 2)).sum(3)
            assert torch.allclose(mine, theirs, atol=2e-6), name


def test_peers_get_the_layouts_they_like_in_order() -> None:
    grouped = ["sdpa", "sdpa, heads repeated"]
    decoding = [*grouped, "sdpa, heads folded"]
    assert list(contestants(parse_case(PEERS_CASES[5]))) == [OURS, *decoding, READ]
    contiguous = PEERS_CASES[5].replace("page=4 ", "")
    assert list(contestants(parse_case(contiguous))) == [OURS, *decoding, READ, CACHE_LAYOUT]
    ragged = ["sdpa, padded", *(f"{name}, one by one" for name in grouped)]
    assert list(contestants(parse_case(PEERS_CASES[4]))) == [OURS, *ragged]
    uneven = ["sdpa, padded", *(f"{name}, one by one" for name in decoding)]
    assert list(contestants(parse_case(PEERS_CASES[6]))) == [OURS, *uneven, READ]


def test_the_gauge_reads_what_a_step_reads() -> None:
    line = "fwd v3.kvcache b=2 sq=1 skv=8 hq=2 hkv=1 d=4 dt=bf16 kv_lens=8,5 fill=normal seed=1"
    case = parse_case(line)
    with mock.patch.object(torch.Tensor, "amax", lambda x: x.numel() * x.element_size()):
        read: Any = contestants(case)[READ]()
    assert sum(read) == count(case).kv_bytes


@pytest.mark.parametrize("words", ["softcap=2.0", "sink", "chunk=4"])
def test_no_peer_where_pytorch_has_no_such_thing(words: str) -> None:
    line = f"fwd v3.func b=1 sq=5 skv=5 hq=2 hkv=2 d=8 dt=fp32 {words} fill=normal seed=1"
    assert words.split("=")[0] in NO_PEER
    assert set(contestants(parse_case(line))) == {OURS}


@pytest.mark.parametrize("words", ["", "causal", "window=2,1", "causal window=3,0", "window=-1,2"])
@pytest.mark.parametrize(("q_len", "kv_len"), [(5, 5), (3, 8), (8, 3), (1, 7)])
def test_visible_pairs(words: str, q_len: int, kv_len: int) -> None:
    line = (
        f"fwd v2.func b=1 sq={q_len} skv={kv_len} hq=1 hkv=1 d=8 dt=fp32 {words} fill=normal seed=1"
    )
    case = parse_case(line)
    assert visible_pairs(case, q_len, kv_len) == int(visible(case, q_len, kv_len).sum())


def test_work_of_known_cases() -> None:
    line = "{} v2.func b=2 sq=8 skv=8 hq=4 hkv=2 d=16 dt=bf16 fill=normal seed=1"
    pairs = 2 * 4 * 8 * 8
    forward, backward = (count(parse_case(line.format(word))) for word in ("fwd", "bwd"))
    assert forward.flops == 4 * 16 * pairs
    assert backward.flops == 10 * 16 * pairs
    assert forward.kv_bytes == 2 * 2 * 8 * 2 * 16 * 2


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_case_files_are_in_order(path: Path) -> None:
    cases = read_cases(str(path))
    assert cases
    assert len({str(case) for case in cases}) == len(cases)


def test_a_race_is_fair() -> None:
    turns: list[str] = []
    result = race({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 0.05)
    assert len(result.samples["a"]) == len(result.samples["b"]) >= 5
    timing = result.timings["a"]
    assert 0 < timing.best <= timing.median
    ratio, spread = result.ratio("a", "a")
    assert (ratio, spread) == (1.0, 0.0)


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_run_and_report(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    smoke = FOLDER / "cases/smoke.txt"
    files = ("--out", str(out), "--plot", str(tmp_path / "first.svg"))
    table = run("benchmarks/run.py", str(smoke), "--seconds", "0.01", *files)
    document = json.loads(out.read_text())
    lines = [str(case) for case in read_cases(str(smoke))]
    assert [row["case"] for row in document["results"]] == lines
    assert all(line in table for line in lines)
    assert {"cpu", "threads", "torch", "isa", "load"} <= set(document["machine"])
    assert all(row["timings"][OURS]["best"] > 0 for row in document["results"])
    assert run("benchmarks/report.py", str(out)) == table
    changes = run("benchmarks/report.py", str(out), str(out))
    assert changes.count(" 1.00 ") >= len(lines)
    run("benchmarks/plot.py", str(out), str(tmp_path / "second.svg"))
    drawn = [short(row["case"]) for row in document["results"] if "ratio" in row]
    for name in ("first.svg", "second.svg"):
        assert all(case in (tmp_path / name).read_text() for case in drawn)


@pytest.mark.slow
def test_two_builds() -> None:
    lines = [str(case) for case in read_cases(str(FOLDER / "cases/smoke.txt"))][:2]
    quick = ("--rounds", "1", "--seconds", "0.01")
    table = run("benchmarks/compare_builds.py", *2 * [sys.executable], *lines, *quick).splitlines()
    assert [line.split(maxsplit=3)[-1] for line in table[1:]] == lines


@pytest.mark.slow
def test_units() -> None:
    small = ("--dims", "8", "--tokens", "5", "--heads", "4", "--rounds", "2")
    table = run("benchmarks/cpu_units.py", *small, "--units", "portable")
    assert "| D | S | mask | GFLOP/s | x SDPA | x portable |" in table
    rows = [row.split("|")[1:-1] for row in table.splitlines() if row.startswith("| 8 ")]
    assert [row[2].strip() for row in rows] == ["causal", "none"]
    assert all(float(cell) > 0 for row in rows for cell in row[4:])


@pytest.mark.slow
def test_overhead_covers_both_wheels(tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    table = run("benchmarks/overhead.py", "--seconds", "0.01", "--out", str(out))
    rows = json.loads(out.read_text())["overhead"]
    kinds = {(r["wheel"], r["grad"]) for r in rows if r["function"] == "flash_attn_func"}
    assert kinds == {("v2", False), ("v2", True), ("v3", False), ("v3", True)}
    assert all(r["call"] > r["allocation"] > 0 for r in rows)
    assert "microseconds" in table


@pytest.mark.slow
def test_layers(tmp_path: Path) -> None:
    out = tmp_path / "layers.json"
    printed = run("benchmarks/layers.py", "--seconds", "0", "--rows", "3", "--out", str(out))
    rows = json.loads(out.read_text())["layers"]
    assert {(r["dtype"], r["direction"]) for r in rows} == {
        (dtype, way) for dtype in ("fp32", "bf16", "fp16") for way in ("fwd", "bwd")
    }
    assert len(rows) == 3 * 2 * 8
    assert all(r["ours"] > 0 and r["plain"] > 0 for r in rows)
    assert "cross entropy with z-loss" in printed


def test_both_ways_of_a_layer_are_the_same() -> None:
    import layers

    torch.manual_seed(0)
    for layer in (layers.norms, layers.losses, layers.rotations):
        for pair in layer(3, torch.float32):
            ours, plain = (torch.cat([y.flatten() for y in flat(f())]) for f in pair[1:3])
            assert torch.allclose(ours, plain, atol=1e-5), pair.name


def flat(results: Any) -> tuple[torch.Tensor, ...]:
    return results if isinstance(results, tuple) else (results,)


def test_a_busy_machine_is_told() -> None:
    from report import table

    machine = {"cpu": "x", "isa": "y", "threads": 2, "torch": "2", "commit": "c", "cores": 2}
    assert "do not quote" in table({"machine": machine | {"load": 1.5}, "results": []})
    assert "do not quote" not in table({"machine": machine | {"load": 0.2}, "results": []})
