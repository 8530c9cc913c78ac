"""The schedules drawn in docs/kernels are those of the kernels."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))
draw_schedules = importlib.import_module("draw_schedules")


def test_drawings_are_current(sim: ModuleType) -> None:
    pages = list(draw_schedules.outdated(sim))
    assert pages == [], "run: python docs/draw_schedules.py build/sim"
