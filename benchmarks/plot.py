"""Draws a result file of run.py: rates, and how many times faster than the fastest peer.

    python benchmarks/plot.py new.json new.svg

Needs matplotlib (dependency group bench).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.fonttype"] = "none"
import matplotlib.pyplot as plt  # noqa: E402

ROW_INCHES = 0.22


def intensity(row: dict[str, Any]) -> float:
    """FLOPs for each byte of keys and values, if they were read once."""
    return float(row["flops"] / row["kv_bytes"])


def draw(document: dict[str, Any], target: Path) -> None:
    """Left: each case on a roofline. Right: its ratio to the fastest peer, with the spread."""
    rows = document["results"]
    with_peer = [row for row in rows if "ratio" in row]
    height = max(4.0, ROW_INCHES * len(with_peer) + 1)
    figure, (roof, ratios) = plt.subplots(1, 2, figsize=(16, height), layout="constrained")
    machine = document["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads")

    rates = [row["flops"] / row["timings"]["ours"]["best"] / 1e9 for row in rows]
    for dtype in sorted({word(row, "dt") for row in rows}):
        chosen = [i for i, row in enumerate(rows) if word(row, "dt") == dtype]
        xs = [intensity(rows[i]) for i in chosen]
        roof.loglog(xs, [rates[i] for i in chosen], "o", label=dtype)
    roof.set(xlabel="FLOP per byte of keys and values", ylabel="GFLOP/s", title="Rates")
    roof.grid(visible=True, which="both", alpha=0.3)
    roof.legend()

    names = [short(row["case"]) for row in with_peer]
    places = range(len(names))
    values = [row["ratio"] for row in with_peer]
    ratios.barh(places, values, xerr=[row["ratio_mad"] for row in with_peer])
    ratios.axvline(1, color="black", linewidth=1)
    ratios.set_yticks(places, names, fontsize=7)
    ratios.invert_yaxis()
    ratios.set(xlabel="times faster than PyTorch's attention in its fastest layout")
    figure.savefig(target)
    plt.close(figure)


def word(row: dict[str, Any], name: str) -> str:
    """The value of one word of a case line."""
    return str(dict(w.split("=", 1) for w in row["case"].split() if "=" in w).get(name, ""))


def short(case: str) -> str:
    """A case line without what the cases of a file have in common, and without long lists."""
    common = ("fill=", "seed=", "splits=", "no-lse")
    kept = [w for w in case.split() if not w.startswith(common)]
    return " ".join(w if len(w) < 20 else w[: w.index("=") + 1] + "..." for w in kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("target", type=Path, help="an SVG file")
    options = parser.parse_args()
    draw(json.loads(options.result.read_text(encoding="utf-8")), options.target)


if __name__ == "__main__":
    main()
