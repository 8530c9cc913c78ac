"""The simulator's Python module, with the NPU kernels loaded."""

from __future__ import annotations

import importlib
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
    module = importlib.import_module("_ascsim")
    for library in sorted(BUILD.glob("further_kernels/kernels/lib*_ai[cv].so")):
        module.load(str(library))
    return module
