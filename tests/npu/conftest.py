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

# Cases drawn from seeds, by test file.
USUAL_SEEDS = {
    "test_forward": 150,
    "test_mla": 90,
    "test_dropout": 40,
    "test_options": 70,
    "test_append": 50,
    "test_int8": 40,
}
OPTION = "--kernel-cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    usual = sum(USUAL_SEEDS.values())
    parser.addoption(
        OPTION, type=int, default=usual, help=f"generated cases of all kernels (default: {usual})"
    )
    parser.addoption("--all-mutants", action="store_true", help="all, instead of a sample")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives a `seed` argument its share of the cases; more cases begin with the usual ones."""
    if "seed" in metafunc.fixturenames:
        wanted, usual = metafunc.config.getoption(OPTION), sum(USUAL_SEEDS.values())
        seeds = USUAL_SEEDS[metafunc.module.__name__.rpartition(".")[2]] * wanted
        metafunc.parametrize("seed", range(-(-seeds // usual)))


@pytest.fixture(scope="session")
def sim() -> ModuleType:
    sys.path.insert(0, str(BUILD))
    module = importlib.import_module("_ascsim")
    for library in sorted(BUILD.glob("further_kernels/kernels/lib*_ai[cv].so")):
        module.load(str(library))
    return module
