"""Draws a stretch of a trace as SVG: one row per core and pipe, one bar per instruction.

    python simulator/tools/plot_timeline.py trace.json tile.svg --block 0 --begin 20000 --end 26000

Times are predicted cycles. Without --begin and --end the whole trace is drawn.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

COLOURS = (
    "#4269d0 #efb118 #ff725c #6cc5b0 #3ca951 #ff8ab7 "
    "#a463f2 #97bbf5 #9c6b4e #9498a0 #2f4b7c #d45087"
).split()
LEFT, TOP, ROW, GAP, WIDTH = 90, 34, 22, 6, 1000


@dataclass(frozen=True)
class Bar:
    row: tuple[int, int]  # process (core), thread (pipe)
    name: str
    line: str
    begin: float
    end: float


@dataclass(frozen=True)
class Trace:
    profile: str
    cores: dict[int, str]
    pipes: dict[tuple[int, int], str]
    bars: list[Bar]


def read(path: Path) -> Trace:
    """Reads a trace of the simulator; bars are in cycles."""
    data = json.loads(path.read_text())
    cores: dict[int, str] = {}
    pipes: dict[tuple[int, int], str] = {}
    bars = []
    for event in data["traceEvents"]:
        if event["ph"] == "M" and event["name"] == "process_name":
            cores[event["pid"]] = event["args"]["name"]
        elif event["ph"] == "M":
            pipes[event["pid"], event["tid"]] = event["args"]["name"]
        elif event["ph"] == "X":
            cycles = data["otherData"]["clock_mhz"]
            begin = event["ts"] * cycles
            row = (event["pid"], event["tid"])
            end = begin + event["args"]["predicted cycles"]
            bars.append(Bar(row, event["name"], event["args"]["line"], begin, end))
    return Trace(data["otherData"]["profile"], cores, pipes, bars)


def select(trace: Trace, block: int, begin: float, end: float) -> list[Bar]:
    """Bars of one AI core that lie at least partly in the stretch."""
    names = {
        pid for pid, name in trace.cores.items() if name.split()[1].split(".")[0] == str(block)
    }
    return [b for b in trace.bars if b.row[0] in names and b.end > begin and b.begin < end]


def ticks(begin: float, end: float) -> list[float]:
    """At most ten round numbers."""
    step = next(
        digit * 10.0**power
        for power in range(12)
        for digit in (1, 2, 5)
        if (end - begin) / (digit * 10.0**power) <= 10
    )
    return [step * i for i in range(math.ceil(begin / step), math.floor(end / step) + 1)]


def svg(trace: Trace, bars: list[Bar], begin: float, end: float) -> str:
    """The picture; `bars` must not be empty."""
    rows = sorted({b.row for b in bars})
    names = sorted({b.name for b in bars})
    colour = {n: COLOURS[i % len(COLOURS)] for i, n in enumerate(names)}
    scale = WIDTH / (end - begin)
    height = TOP + len(rows) * (ROW + GAP) + 30 + 18 * (1 + (len(names) - 1) // 6)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="16">Predicted cycles, profile {escape(trace.profile)}</text>',
    ]
    bottom = TOP + len(rows) * (ROW + GAP)
    for t in ticks(begin, end):
        x = LEFT + (t - begin) * scale
        out.append(f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="#ccc"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 12}" text-anchor="middle">{t:.0f}</text>')
    for i, row in enumerate(rows):
        label = f"{trace.cores[row[0]]} {trace.pipes[row]}"
        y = TOP + i * (ROW + GAP)
        out.append(f'<text x="{LEFT - 6}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
    for b in bars:
        x0, x1 = max(b.begin, begin), min(b.end, end)
        y = TOP + rows.index(b.row) * (ROW + GAP)
        title = escape(f"{b.name}, {b.line}: {b.end - b.begin:.0f} predicted cycles")
        out.append(
            f'<rect x="{LEFT + (x0 - begin) * scale:.2f}" y="{y}" height="{ROW}" '
            f'width="{max((x1 - x0) * scale, 0.3):.2f}" fill="{colour[b.name]}" stroke="white" '
            f'stroke-width="0.4"><title>{title}</title></rect>'
        )
    for i, name in enumerate(names):
        x, y = LEFT + i % 6 * 160, bottom + 30 + i // 6 * 18
        out.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour[name]}"/>')
        out.append(f'<text x="{x + 17}" y="{y}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--block", type=int, default=0, help="AI core")
    parser.add_argument("--begin", type=float, default=0.0, help="cycle")
    parser.add_argument("--end", type=float, help="cycle")
    args = parser.parse_args()
    trace = read(args.trace)
    end = args.end if args.end is not None else max((b.end for b in trace.bars), default=0.0)
    bars = select(trace, args.block, args.begin, end)
    if not bars:
        parser.error(f"no instruction of block {args.block} in cycles {args.begin:g} to {end:g}")
    args.picture.write_text(svg(trace, bars, args.begin, end))


if __name__ == "__main__":
    main()
