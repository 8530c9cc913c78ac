"""Every deliberate defect of a forward kernel is noticed, but for those listed with a reason.

All buckets are made of the same blocks, so one of them is run; equivalent_mutants.txt holds the
list. A listed defect that is noticed fails as well.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from npu.forward_case import Case
from npu.mutants import score

KERNEL = "fa_forward_fp16_d128"
LIST = Path(__file__).with_name("equivalent_mutants.txt")
_FULL = Case(head_dim=128, value_dim=128, task_rows=256)
# Several tasks of several units; causal, ragged, GQA and softcap; pages and packed heads; packed
# sequences, odd dims and a window; tasks without keys.
CASES = (
    replace(_FULL, q_lengths=(600,), kv_lengths=(2200,)),
    replace(
        _FULL,
        q_lengths=(300, 40, 290),
        kv_lengths=(1300, 90, 700),
        window=(-1, 0),
        q_heads=2,
        softcap=5.0,
    ),
    replace(
        _FULL,
        q_lengths=(9, 130),
        kv_lengths=(1300, 700),
        kv_layout="paged",
        page_size=48,
        q_heads=4,
        kv_heads=2,
        packed_heads=2,
    ),
    Case(
        q_lengths=(260,),
        kv_lengths=(1100,),
        q_layout="packed",
        kv_layout="packed",
        window=(300, 20),
        head_dim=127,
        value_dim=125,
        task_rows=256,
    ),
    Case(
        q_lengths=(40, 3, 70, 0, 9),
        kv_lengths=(90, 0, 600, 4, 0),
        window=(-1, 0),
        head_dim=128,
        value_dim=128,
    ),
)


def equivalents() -> set[str]:
    """Lines `kernel: defect # reason` of the list."""
    found = set()
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            name, reason = line.removeprefix(f"{KERNEL}: ").rsplit(" # ", 1)
            assert line.startswith(KERNEL) and reason
            found.add(name)
    return found


def test_mutants(sim: ModuleType) -> None:
    result = score(sim, KERNEL, CASES)
    print(result)
    assert result.reported > 0
    assert set(result.survivors) == equivalents()
