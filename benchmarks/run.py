"""Times cases against PyTorch's attention, in turns, in one process.

A case file has one case line per line, in the form that the tests use (tests/fa_testing/case.py).
Without a file: benchmarks/cases/default.txt.

    python benchmarks/run.py [case file or case line ...] [--seconds 2] [--threads N] [--out x.json]
        [--plot x.svg]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "tests"))  # fa_testing: cases, inputs, calls

import torch  # noqa: E402

from contestants import CACHE_LAYOUT, OURS, READ, contestants  # noqa: E402
from fa_testing.case import Case, parse_case, read_cases  # noqa: E402
from machine import describe  # noqa: E402
from measure import race  # noqa: E402
from report import table  # noqa: E402
from work import count  # noqa: E402


def main() -> int:
    options = parse_options()
    if options.plot:
        import plot  # here: matplotlib need not be there otherwise
    if options.threads:
        torch.set_num_threads(options.threads)
    cases = [case for source in options.cases for case in read(source)]
    machine = describe()  # before the run, which makes a load of its own
    results = []
    for number, case in enumerate(cases, start=1):
        print(f"{number}/{len(cases)} {case}", file=sys.stderr, flush=True)
        results.append(measure(case, options.seconds))
    document = {"machine": machine, "seconds": options.seconds, "results": results}
    print(table(document))
    if options.out:
        Path(options.out).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        plot.draw(document, Path(options.plot))
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = [str(FOLDER / "cases/default.txt")]
    parser.add_argument("cases", nargs="*", default=default, help="case files or case lines")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each case")
    parser.add_argument("--threads", type=int, default=0, help="default: as many as PyTorch takes")
    parser.add_argument("--out", help="also write JSON to this file")
    parser.add_argument("--plot", help="also draw an SVG file; needs matplotlib")
    return parser.parse_args()


def read(source: str) -> list[Case]:
    """The cases of a file, or the one case that a line describes."""
    return [parse_case(source)] if " " in source else read_cases(source)


def measure(case: Case, seconds: float) -> dict[str, object]:
    """Timings of all contestants, and how ours compares with the fastest of the others."""
    torch.manual_seed(case.seed)
    calls = contestants(case)
    result = race(calls, seconds)
    work = count(case)
    row: dict[str, object] = {
        "case": str(case),
        "flops": work.flops,
        "kv_bytes": work.kv_bytes,
        "timings": {name: timing.as_json() for name, timing in result.timings.items()},
    }
    extra = [name for name in calls if name in (READ, CACHE_LAYOUT)]
    row["times_faster_than"] = {name: result.ratio(name, OURS)[0] for name in extra}
    peers = [name for name in calls if name not in (OURS, READ)]
    if peers:
        best = min(peers, key=lambda name: result.timings[name].best)
        ratio, spread = result.ratio(best, OURS)
        row |= {"peer": best, "ratio": ratio, "ratio_mad": spread}
    return row


if __name__ == "__main__":
    sys.exit(main())
