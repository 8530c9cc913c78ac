"""The demo as a user starts it: a pretrained encoder on the device."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs/examples/semantic_search.py"
LAYERS = 6


@pytest.mark.process
def test_semantic_search() -> None:
    command = [sys.executable, str(SCRIPT), "--device", "npu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    print(done.stdout + done.stderr)
    assert done.returncode == 0
    for line in ("on a simulated NPU, all layers there", "hits identical to the CPU: yes"):
        assert line in done.stdout
    hit = "delete a folder with everything in it? shutil.rmtree"
    assert hit in done.stdout
    pattern = r"attention: (\d+) calls on \d+ cores, (\d+) cycles \(simulated"
    found = re.search(pattern, done.stdout)
    assert found is not None
    calls, cycles = map(int, found.groups())
    shown = re.search(pattern, (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown is not None
    assert calls == int(shown[1]) == LAYERS
    assert cycles == pytest.approx(int(shown[2]), rel=0.02), "the README shows another figure"
