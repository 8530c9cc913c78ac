"""Makes the scripts and modules of docs/ and benchmarks/ importable."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

for folder in ("docs", "docs/examples", "benchmarks"):
    sys.path.insert(0, str(ROOT / folder))

import fa_demo  # noqa: E402, F401 (first: it sets how torch's threads wait)
