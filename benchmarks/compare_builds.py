"""Compares two builds that are installed in two environments, in turns.

    python benchmarks/compare_builds.py old/bin/python new/bin/python [case file or case line ...]

Each round runs all cases with one Python and then with the other. What is compared is the time
against the peer of the same process, so that a machine that is slower in one turn does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def results(python: str, cases: list[str], seconds: float) -> list[dict[str, Any]]:
    """One turn of one build."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [python, str(FOLDER / "run.py"), *cases, "--seconds", str(seconds)]
        subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
        document = json.loads(out.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = document["results"]
    return rows


def speed(row: dict[str, Any]) -> float:
    """Times faster than the peer; without one, calls per second."""
    return float(row.get("ratio") or 1 / row["timings"]["ours"]["median"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", help="the Python of one environment")
    parser.add_argument("new", help="the Python of the other")
    parser.add_argument("cases", nargs="*", default=[str(FOLDER / "cases/default.txt")])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="for a case, each turn")
    options = parser.parse_args()
    changes: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        old, new = (
            results(python, options.cases, options.seconds) for python in (options.old, options.new)
        )
        for before, after in zip(old, new, strict=True):
            changes.setdefault(after["case"], []).append(speed(after) / speed(before))
    print(f"{'speed-up':>9} {'least':>6} {'most':>6}  case")
    for case, ratios in changes.items():
        middle = statistics.median(ratios)
        print(f"{middle:9.2f} {min(ratios):6.2f} {max(ratios):6.2f}  {case}")


if __name__ == "__main__":
    main()
