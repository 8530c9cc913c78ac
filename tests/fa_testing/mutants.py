"""Deliberate defects of a mutation build, and the cases in which each of them acts.

FA_MUTANT is read by the core at every decision, so one process can try all of them.
In an environment with such a build:

    python -m fa_testing.mutants <api> <seed>
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from fa_testing.backends import Wheel
from fa_testing.case import Case
from fa_testing.expected import case_mask
from fa_testing.generate import generate_cases
from fa_testing.inputs import Inputs, build_inputs
from fa_testing.oracle import Mask
from fa_testing.run import run_case
from fa_testing.sequences import Entry, find_entries

# Every visible key weighs about the same, so losing or adding one moves the LSE by about 1/n, some
# thousand times its bound. In `big` or `outlier` a lost key may rightly weigh nothing at all.
FILLS = ("normal", "flat")
CASES_PER_MUTANT = 40
GENERATED = 3000
TILE = 128  # keys per tile of the CPU kernels
UNSPLIT = 1024  # with fewer keys a plan does not choose to split

# Does the mutant act on this entry?
Applies = Callable[[Case, Inputs, Entry, Mask], bool]


def sees(entry: Entry, mask: Mask) -> Tensor:
    return mask.visible(entry.q.count, entry.kv.count)


def drops_key(_case: Case, _x: Inputs, entry: Entry, mask: Mask) -> bool:
    """The last visible key of every row."""
    return bool(sees(entry, mask).any())


def drops_tile(case: Case, _x: Inputs, entry: Entry, mask: Mask) -> bool:
    """The last tile of a row block, if there are several; splits of one tile keep theirs."""
    whole = case.splits == 1 or (case.splits == 0 and entry.kv.count < UNSPLIT)
    return whole and mask.open and entry.q.count > 0 and entry.kv.count > TILE


def drops_page(case: Case, x: Inputs, entry: Entry, mask: Mask) -> bool:
    """Reads the page before the right one, from the second page on."""
    if not case.page or not bool(sees(entry, mask).any()):
        return False
    last = int(sees(entry, mask).any(0).nonzero().max())
    leftpad = 0 if x.leftpad is None else int(x.leftpad[entry.index])
    return leftpad + last >= case.page


def drops_head(case: Case, _x: Inputs, entry: Entry, _mask: Mask) -> bool:
    """All heads of a packed group become its first one."""
    return case.group > 1 and (case.pack_gqa != 0 or case.backward) and entry.q.count > 0


def moves_right_side(_case: Case, _x: Inputs, entry: Entry, mask: Mask) -> bool:
    wider = Mask(mask.left, mask.right + 1, mask.chunk)
    return mask.right >= 0 and bool((sees(entry, mask) != sees(entry, wider)).any())


def moves_left_side(_case: Case, _x: Inputs, entry: Entry, mask: Mask) -> bool:
    if mask.left < 0:
        return False
    n, m = entry.q.count, entry.kv.count
    lost = torch.arange(m)[None] == torch.arange(n)[:, None] + (m - n) - mask.left
    lost[:, :1] = False  # a row that the window does not cut at the left keeps key 0
    return bool((lost & sees(entry, mask)).any())


def shortens_chunk(_case: Case, _x: Inputs, entry: Entry, mask: Mask) -> bool:
    if mask.chunk == 0:
        return False
    n, m = entry.q.count, entry.kv.count
    diagonal = torch.arange(n)[:, None] + (m - n)
    first = torch.div(diagonal, mask.chunk, rounding_mode="floor") * mask.chunk
    lost = torch.arange(m)[None] == first + mask.chunk - 1
    return bool((lost & sees(entry, mask)).any())


MUTANTS: dict[str, Applies] = {
    "drop_key": drops_key,
    "drop_tile": drops_tile,
    "drop_page": drops_page,
    "drop_head": drops_head,
    "mask_off_by_one": moves_right_side,
    "window_left_off_by_one": moves_left_side,
    "chunk_off_by_one": shortens_chunk,
}
# Mutants of features that one of the APIs does not have.
ABSENT = {2: {"chunk_off_by_one"}, 3: set()}


def applies(mutant: str, case: Case) -> bool:
    x = build_inputs(case)
    mask = case_mask(case, x)
    return any(MUTANTS[mutant](case, x, entry, mask) for entry in find_entries(case, x))


def suitable(case: Case) -> Case:
    """The case with values under which every key counts, and with all results returned.

    Without ALiBi: its slopes can take all weight from distant keys.
    """
    return case.replace(fill=FILLS[case.seed % len(FILLS)], lse=True, alibi="")


def cases_for(mutant: str, cases: list[Case]) -> list[Case]:
    found: list[Case] = []
    for case in cases:
        if len(found) < CASES_PER_MUTANT and applies(mutant, suitable(case)):
            found.append(suitable(case))
    return found


def survivors(mutant: str, cases: list[Case], wheel: Wheel) -> list[Case]:
    """Cases whose results the error model accepts although the mutant is active."""
    found = []
    os.environ["FA_MUTANT"] = mutant
    for case in cases:
        problems = run_case(case, wheel, plain=False).problems
        if not problems or problems[0].startswith("raised"):
            found.append(case)
    os.environ["FA_MUTANT"] = ""
    return found


def main(api: int, seed: int) -> int:
    wheel = Wheel.load(api)
    if not wheel.native.mutant().startswith("build:"):
        print(f"{wheel.native.__file__} is not a mutation build")
        return 2
    generated = generate_cases(api, GENERATED, seed)
    failed = 0
    for mutant in MUTANTS:
        if mutant in ABSENT[api]:
            continue
        cases = cases_for(mutant, generated)
        os.environ["FA_MUTANT"] = ""
        healthy = [case for case in cases if not run_case(case, wheel, plain=False).problems]
        missed = survivors(mutant, healthy, wheel)
        caught = len(healthy) - len(missed)
        print(f"{mutant}: {caught} of {len(cases)} cases caught it")
        failed += len(cases) < CASES_PER_MUTANT or caught < len(cases)
        for case in missed:
            print(f"  missed: {case}")
        for case in set(cases) - set(healthy):
            print(f"  fails without it: {case}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
