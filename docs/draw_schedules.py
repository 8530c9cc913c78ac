"""Draws the schedules in docs/kernels from traces of small simulated runs.

python docs/draw_schedules.py build/sim            writes them into the pages
python docs/draw_schedules.py build/sim --check    fails if they are not current

A row is a pipe, a column a stretch of predicted cycles: a capital letter is work that fills at
least half of it, a small one less, a dot less than a tenth. The pages say what letters stand for.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from npu import append_case, combine_case, forward_case  # noqa: E402
from npu.mutants import KERNELS, path_of  # noqa: E402

PAGES = ROOT / "docs/kernels"
BEGIN, END = "<!-- schedule: begin -->\n", "<!-- schedule: end -->\n"
COLUMNS = 92
PIPES = ("MTE2", "MTE1", "M", "FIX", "V", "MTE3")
_COMPONENT = re.compile(r"layout::(\w+), AscendC::TPosition::A1>> \{")
_FUNCTION = re.compile(r"__aicore__ (?:static )?inline .*?(\w+)\(")

# Letters of a page: by "file", or "file function" where one file does several things.
ATTENTION = {
    "tile_loader.h": "L",
    "mla_operands.h": "L",
    "output_products.h": "L",
    # CATLASS's loads of keys, which L1 holds transposed, and of values.
    "copy_l1_to_l0b.hpp nZ": "S",
    "copy_l1_to_l0b.hpp zN": "O",
    "mask.h": "P",
    "softmax.h": "P",
    "vector_role.h": "P",
    "output.h": "A",
    "row_copy.h": "A",
}
APPEND = {"rotator.h": "R", "row_copy.h load_rows": "L", "row_copy.h store_rows": "W"}
COMBINE = {
    "combine_kernel.h": "W",
    "combine_kernel.h add": "A",
    "row_copy.h load_rows": "A",
    "combine_kernel.h store": "O",
    "row_copy.h store_rows": "O",
}


@dataclass(frozen=True)
class Picture:
    page: str
    suite: Any  # the module of the case
    case: Any
    letters: dict[str, str]


PICTURES = (
    Picture(
        "forward.md",
        forward_case,
        forward_case.Case(
            q_lengths=(256,), kv_lengths=(6144,), head_dim=128, value_dim=128, task_rows=256
        ),
        ATTENTION,
    ),
    Picture(
        "mla.md",
        forward_case,
        forward_case.Case(
            q_lengths=(1,),
            kv_lengths=(2048,),
            q_heads=128,
            packed_heads=128,
            head_dim=64,
            value_dim=512,
            qv=True,
        ),
        ATTENTION,
    ),
    Picture(
        "append.md",
        append_case,
        append_case.Case(
            held=(40,) * 3,
            new=(1,) * 3,
            queries=(1,) * 3,
            kv_heads=8,
            q_heads=32,
            head_dim=128,
            value_dim=128,
            rotary_dim=128,
        ),
        APPEND,
    ),
    Picture(
        "combine.md",
        combine_case,
        combine_case.Case(splits=4, batch=1, tokens=128, heads=1, value_dim=128, cores=1),
        COMBINE,
    ),
)


@dataclass
class Bar:
    begin: float  # predicted cycles
    end: float
    letter: str


@cache
def _function(file: str, line: int) -> str:
    """The function of a kernel's line; the layout in L1 that a component of CATLASS is for."""
    path = path_of(file)
    pattern = _FUNCTION if path.is_relative_to(KERNELS) else _COMPONENT
    found = [m[1] for text in path.read_text().splitlines()[:line] for m in pattern.finditer(text)]
    return found[-1] if found else ""


def _letter(letters: dict[str, str], place: str) -> str:
    """Of "path/file:line"; "" for what belongs to no letter of the page."""
    file, _, line = Path(place).name.partition(":")
    return letters.get(f"{file} {_function(file, int(line))}", letters.get(file, ""))


def read(trace: str, letters: dict[str, str]) -> dict[str, list[Bar]]:
    """Bars of block 0 by "core pipe"; of the two vector cores the first."""
    data = json.loads(trace)
    names: dict[tuple[int, int], str] = {}
    rows: dict[str, list[Bar]] = {}
    for event in data["traceEvents"]:
        key = event["pid"], event.get("tid", -1)
        if event["ph"] == "M":
            names[(key[0], -1) if event["name"] == "process_name" else key] = event["args"]["name"]
            continue
        core, pipe = names[key[0], -1], names[key]
        if core.split()[1] == "0.0" and pipe in PIPES:
            begin = event["ts"] * data["otherData"]["clock_mhz"]
            bar = Bar(begin, begin + event["args"]["predicted cycles"], "")
            bar.letter = _letter(letters, event["args"]["line"])
            rows.setdefault(f"{core.split()[0]} {pipe}", []).append(bar)
    return rows


def name_products(rows: dict[str, list[Bar]]) -> None:
    """A product is named by its operand B, which MTE1 loads behind its operand A."""
    loads = rows["AIC MTE1"]
    steps = [b.letter for a, b in itertools.pairwise(loads) if not a.letter and b.letter]
    products = rows["AIC M"]
    assert len(steps) == len(products)
    for bar, letter in zip(products, steps, strict=True):
        bar.letter = letter
    for bar in rows["AIC FIX"]:
        bar.letter = "F"
    for bar, following in zip(reversed(loads[:-1]), reversed(loads[1:]), strict=True):
        bar.letter = bar.letter or following.letter


def name_helpers(bars: list[Bar]) -> None:
    """What has no letter is part of what comes before it."""
    letter = next((bar.letter for bar in bars if bar.letter), "?")
    for bar in bars:
        bar.letter = letter = bar.letter or letter


def _cell(bars: Sequence[Bar], begin: float, end: float) -> str:
    busy: defaultdict[str, float] = defaultdict(float)
    for bar in bars:
        busy[bar.letter] += max(0.0, min(bar.end, end) - max(bar.begin, begin))
    share = sum(busy.values()) / (end - begin)
    letter = max(sorted(busy), key=lambda name: busy[name])
    return "." if share < 0.1 else letter if share >= 0.5 else letter.lower()


def text(rows: dict[str, list[Bar]]) -> str:
    last = max(bar.end for bars in rows.values() for bar in bars)
    step = last / COLUMNS
    ruler = "".join(f"{column * step:<23.0f}" for column in range(0, COLUMNS, 23))
    lines = [f"    {'cycle':<9} {ruler}".rstrip()]
    for core in ("AIC", "AIV"):
        for pipe in PIPES:
            bars = rows.get(f"{core} {pipe}", [])
            cells = (_cell(bars, n * step, (n + 1) * step) for n in range(COLUMNS))
            if bars:
                lines.append(f"    {core} {pipe:<5} {''.join(cells)}")
    return "\n".join(lines) + "\n"


def draw(sim: ModuleType, picture: Picture) -> str:
    options = sim.Options()
    options.timing = options.trace = True
    problem = picture.suite.build(picture.case)
    rows = read(picture.suite.run(sim, problem, options).timing.trace, picture.letters)
    if picture.letters is ATTENTION:
        name_products(rows)
    for bars in rows.values():
        name_helpers(bars)
    return text(rows)


def replaced(page: str, drawing: str) -> str:
    """The page with the drawing between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{drawing}\n{END}{rest.split(END)[1]}"


def outdated(sim: ModuleType) -> dict[str, str]:
    """New texts of the pages whose drawing is not current."""
    found = {}
    for picture in PICTURES:
        old = (PAGES / picture.page).read_text(encoding="utf-8")
        new = replaced(old, draw(sim, picture))
        if new != old:
            found[picture.page] = new
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(options.build))
    sim = importlib.import_module("_ascsim")
    for library in sorted(options.build.glob("further_kernels/kernels/lib*_ai[cv].so")):
        sim.load(str(library))
    pages = outdated(sim)
    if options.check:
        print(f"outdated: {', '.join(pages) or 'none'}")
        return int(bool(pages))
    for page, new in pages.items():
        (PAGES / page).write_text(new, encoding="utf-8")
    print(f"written: {', '.join(pages) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
