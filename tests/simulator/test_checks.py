"""Every check: a kernel that it reports, word by word, and the twin that it does not.

`checks/<check>.cpp` has both kernels; `checks/<check>.txt` has the reports, with {name} for the
line that the kernel marks with "// @name". Run with ASCSIM_SHOW=1 to see the reports as they are.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "checks"
CHECKS = sorted(path.stem for path in FOLDER.glob("*.cpp"))
ONLY_WITHOUT_BARRIERS = "# only without automatic barriers\n"


def lines_of(check: str) -> dict[str, str]:
    """Marker to "file:line"."""
    lines = {}
    for number, text in enumerate((FOLDER / f"{check}.cpp").read_text().splitlines(), 1):
        for name in re.findall(r"// @(\w+)", text):
            assert name not in lines, f"{check}.cpp marks two lines as {name}"
            lines[name] = f"{check}.cpp:{number}"
    return lines


def expected(check: str, auto_barriers: bool) -> str:
    text = (FOLDER / f"{check}.txt").read_text()
    if text.startswith(ONLY_WITHOUT_BARRIERS):
        text = "" if auto_barriers else text.removeprefix(ONLY_WITHOUT_BARRIERS)
    lines = lines_of(check)
    return re.sub(r"\{(\w+)\}", lambda found: lines[found[1]], text).strip()


def launch(sim: ModuleType, kernel: str, auto_barriers: bool) -> Any:
    options = sim.Options()
    options.auto_barriers = auto_barriers
    x = np.ones(16 * 1024, np.float32)
    return sim.run(kernel, 1, [x, np.zeros_like(x)], [1], options)


def reports(result: Any) -> str:
    """The reports with file names instead of paths."""
    return re.sub(r"(\(| )\S*/(\w+\.(?:cpp|h):\d+)", r"\1\2", "\n\n".join(result.reports))


@pytest.mark.parametrize("auto_barriers", [False, True], ids=["manual", "auto"])
@pytest.mark.parametrize("check", CHECKS)
def test_report(sim: ModuleType, check: str, auto_barriers: bool) -> None:
    found = reports(launch(sim, check, auto_barriers))
    if os.environ.get("ASCSIM_SHOW"):
        print(found)
    assert found == expected(check, auto_barriers)


@pytest.mark.parametrize("auto_barriers", [False, True], ids=["manual", "auto"])
@pytest.mark.parametrize("check", CHECKS)
def test_clean_twin(sim: ModuleType, check: str, auto_barriers: bool) -> None:
    assert reports(launch(sim, f"{check}_clean", auto_barriers)) == ""


def test_every_kind_of_check_is_here() -> None:
    words = {check.split("_")[0] for check in CHECKS}
    kinds = {
        "hazard", "flag", "cross", "deadlock", "gm", "capacity", "alignment", "uninitialized",
        "narrowing", "parameter", "state", "assertion",
    }  # fmt: skip
    assert words == kinds


def test_json(sim: ModuleType) -> None:
    [report] = json.loads(launch(sim, "hazard_raw_mte2_v", False).json)
    lines = lines_of("hazard_raw_mte2_v")
    for place, marker in (("place", "add"), ("other", "load")):
        name, line = lines[marker].split(":")
        assert Path(report[place]["file"]).name == name
        assert report[place]["line"] == int(line)
    assert report["other"]["pipe"] == "MTE2"
    assert (report["check"], report["kind"], report["kernel"]) == (
        "hazard",
        "RAW",
        "hazard_raw_mte2_v",
    )
    assert (report["memory"], report["begin"], report["end"]) == ("UB", 0, 1024)
    assert json.loads(launch(sim, "hazard_raw_mte2_v_clean", False).json) == []


def test_a_launch_after_an_assertion(sim: ModuleType) -> None:
    """The cores that waited were unwound; the machine is free again."""
    for _ in range(3):
        assert len(launch(sim, "assertion", False).reports) == 1
    assert launch(sim, "assertion_clean", False).reports == []
