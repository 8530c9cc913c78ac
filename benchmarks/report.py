"""Shows a result file of run.py as a table, or what changed from an older one to it.

python benchmarks/report.py new.json
python benchmarks/report.py old.json new.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

BUSY_SHARE = 0.25  # of the cores
BAR_PER_UNIT, LONGEST_BAR = 4, 24  # a bar of four characters is as fast as the peer


def table(document: dict[str, Any]) -> str:
    """One line per case: time, rates and the ratio to the fastest peer, as number and bar."""
    lines = [*_head(document["machine"]), ""]
    title = f"{'best ms':>9} {'median':>8} {'spread':>7} {'GFLOP/s':>8} {'KV GB/s':>8}"
    lines.append(f"{title} {'x peer':>7} {'+-':>5}  peer, case")
    for row in document["results"]:
        ours = row["timings"]["ours"]
        rates = (
            f"{row['flops'] / ours['best'] / 1e9:8.1f} {row['kv_bytes'] / ours['best'] / 1e9:8.1f}"
        )
        times = f"{1e3 * ours['best']:9.3f} {1e3 * ours['median']:8.3f}"
        spread = f"{ours['mad'] / ours['median']:7.1%}"
        lines.append(f"{times} {spread} {rates} {_ratio(row)}  {row['case']}")
        extra = row.get("times_faster_than", {}).items()
        lines += [f"{ratio:50.2f}        x {name}" for name, ratio in extra]
    return "\n".join(lines)


def _head(machine: dict[str, Any]) -> list[str]:
    busy = machine["load"] > BUSY_SHARE * machine["cores"]
    warning = ["the machine was busy before the run: do not quote these figures"] if busy else []
    return [
        f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads, "
        f"load {machine['load']:.1f}, torch {machine['torch']}, commit {machine['commit']}",
        "x peer: times faster than PyTorch's scaled_dot_product_attention in its fastest layout",
        "x read: below 1, the share of the rate at which PyTorch reads the same keys and values",
        *warning,
    ]


def _ratio(row: dict[str, Any]) -> str:
    if "ratio" not in row:
        return f"{'-':>7} {'-':>5}  no peer;"
    bar = "#" * min(LONGEST_BAR, round(BAR_PER_UNIT * row["ratio"]))
    return f"{row['ratio']:7.2f} {row['ratio_mad']:5.2f}  {row['peer']}; {bar}"


def comparison(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Best times of the cases that both files have.

    The change against the peer is the one to trust: the peer tells how fast the machine was.
    """
    before = {row["case"]: row for row in old["results"]}
    lines = ["old: " + _head(old["machine"])[0], "new: " + _head(new["machine"])[0], ""]
    lines.append(f"{'old ms':>9} {'new ms':>9} {'speed-up':>9} {'against peer':>13}  case")
    for row in new["results"]:
        if row["case"] not in before:
            continue
        first = before[row["case"]]
        times = [r["timings"]["ours"]["best"] for r in (first, row)]
        relative = f"{row['ratio'] / first['ratio']:13.2f}" if "ratio" in row else f"{'-':>13}"
        lines.append(
            f"{1e3 * times[0]:9.3f} {1e3 * times[1]:9.3f} {times[0] / times[1]:9.2f} {relative}  "
            f"{row['case']}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", help="one result file, or an old and a new one")
    documents = [json.loads(Path(name).read_text()) for name in parser.parse_args().files]
    print(table(documents[0]) if len(documents) == 1 else comparison(documents[0], documents[-1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
