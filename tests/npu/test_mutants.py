"""Every deliberate defect of a kernel is noticed, but for those listed with a reason.

equivalent_mutants.txt holds the list. A listed defect that is noticed fails, and so does one that
the kernel no longer has. A sample of the defects is tried, all of them with --all-mutants.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from npu.mutants import Suspect
from npu.trials import TRIALS

LIST = Path(__file__).with_name("equivalent_mutants.txt")
SAMPLE = 7  # of each kernel, drawn from this seed
SEED = 20261


def entries() -> dict[str, set[str]]:
    """Kernel to defects, from lines `kernel kernel: defect # reason`."""
    found: dict[str, set[str]] = {kernel: set() for kernel in TRIALS}
    for line in LIST.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        defect, reason = re.sub(r"^[\w ]+: ", "", line).rsplit(" # ", 1)
        assert reason
        for kernel in line.partition(":")[0].split():
            assert defect not in found[kernel], f"{kernel} has it twice: {defect}"
            found[kernel].add(defect)
    return found


@pytest.mark.parametrize("kernel", TRIALS)
def test_mutants(sim: ModuleType, kernel: str, request: pytest.FixtureRequest) -> None:
    listed = entries()[kernel]
    suspect = Suspect(sim, kernel, TRIALS[kernel])
    assert listed - suspect.names_of(suspect.defects) == set()
    whole = request.config.getoption("--all-mutants")
    chosen = suspect.defects if whole else suspect.sample(SAMPLE, SEED)
    result = suspect.score(chosen)
    print(result)
    assert result.reported > 0
    assert set(result.survivors) == listed & suspect.names_of(chosen)
