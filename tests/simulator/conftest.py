"""The simulator's Python module, with the kernels of this folder loaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ASCSIM_BUILD", ROOT / "build" / "sim"))


@pytest.fixture(scope="session")
def sim() -> ModuleType:
    sys.path.insert(0, str(BUILD))
    import _ascsim

    for library in sorted(BUILD.rglob("lib*_ai[cv].so")):
        _ascsim.load(str(library))
    return _ascsim
