"""Forward attention on the CPU, unit by unit, against PyTorch's attention.

    python benchmarks/cpu_units.py [--tokens 512 2048] [--units avx512] [--rounds 9]

Prints a table in Markdown: the unit in use against scaled_dot_product_attention in its fastest
layout, and against each unit of --units. A ratio is best time against best time; the contestants
take turns in one process, `--rounds` samples each. With one thread the time is that of the
processor, so that a busy machine disturbs less. B = 1, four query heads on each KV head.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "tests"))  # fa_testing: cases, inputs, calls

import torch  # noqa: E402

from contestants import OURS, READ, contestants  # noqa: E402
from fa_testing.backends import Wheel  # noqa: E402
from fa_testing.case import Case, parse_case  # noqa: E402
from machine import describe  # noqa: E402
from measure import race  # noqa: E402
from work import count  # noqa: E402

GROUP = 4
Call = Callable[[], object]


def case_of(options: argparse.Namespace, dim: int, tokens: int, causal: bool) -> Case:
    words = "causal " if causal else ""
    return parse_case(
        f"fwd v3.func b=1 sq={options.queries or tokens} skv={tokens} hq={options.heads} "
        f"hkv={options.heads // GROUP} d={dim} dt={options.dtype} {words}no-lse fill=normal seed=1"
    )


def on_unit(wheel: Wheel, unit: str, call: Call) -> Call:
    """The call on another unit than the one in use."""
    usual = wheel.native.isa()

    def there() -> None:
        wheel.native.set_isa(unit)
        try:
            call()
        finally:
            wheel.native.set_isa(usual)

    return there


def measure(case: Case, units: list[str], rounds: int) -> list[str]:
    """GFLOP/s of ours, then how many times faster it is than each other contestant."""
    wheel = Wheel.load(case.api)
    calls = contestants(case)
    calls.pop(READ, None)
    peers = [name for name in calls if name != OURS]
    calls |= {unit: on_unit(wheel, unit, calls[OURS]) for unit in units}
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    result = race(calls, 0.0, clock, rounds)
    best = {name: timing.best for name, timing in result.timings.items()}
    others = [min(best[name] for name in peers), *(best[unit] for unit in units)]
    rate = count(case).flops / best[OURS] / 1e9
    return [f"{rate:.0f}", *(f"{other / best[OURS]:.2f}" for other in others)]


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--heads", type=int, default=16, help="query heads, a multiple of 4")
    parser.add_argument("--queries", type=int, default=0, help="default: as many as tokens")
    parser.add_argument("--dtype", default="bf16", choices=("bf16", "fp16", "fp32"))
    parser.add_argument("--units", nargs="*", default=[], help="further units to compare with")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help="default: as many as PyTorch takes")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = describe()
    names = ("cpu", "isa", "threads", "load", "torch", "commit")
    print(", ".join(f"{name} {machine[name]}" for name in names) + "\n")
    head = ["D", "S", "mask", "GFLOP/s", "x SDPA", *(f"x {unit}" for unit in options.units)]
    print(line(head) + "\n|" + "---|" * len(head))
    for dim, tokens in itertools.product(options.dims, options.tokens):
        for causal in (True, False) if options.queries != 1 else (False,):
            case = case_of(options, dim, tokens, causal)
            figures = measure(case, options.units, options.rounds)
            print(
                line([str(dim), str(tokens), "causal" if causal else "none", *figures]), flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
