"""The cases notice defects: every deliberate one is caught in every case in which it acts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fa_testing.backends import Wheel

TESTS = Path(__file__).resolve().parents[1]
PACKAGES = {2: "packages/flash-attn-npu-v2", 3: "packages/flash-attn-npu-v3"}


def pip(*arguments: str, env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}\n{ran.stderr}"


def build_mutants(package: Path, target: Path) -> Path:
    """A wheel with FA_MUTATION, installed into a folder of its own."""
    env = os.environ | {"FLASH_ATTN_NPU_CMAKE_ARGS": "-DFA_MUTATION=ON"}
    isolation = []
    if all(importlib.util.find_spec(name) for name in ("hatchling", "pybind11")):
        isolation = ["--no-build-isolation"]
    pip("wheel", *isolation, "--no-deps", "-w", str(target), str(package), env=env)
    (wheel,) = target.glob("*.whl")
    site = target / "site"
    pip("install", "--no-deps", "--target", str(site), str(wheel), env=env)
    return site


@pytest.mark.once
@pytest.mark.slow
def test_every_mutant_is_caught(wheel: Wheel, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    package = TESTS.parent / PACKAGES[wheel.api]
    if not package.exists():
        pytest.skip(f"no sources at {package}")
    site = build_mutants(package, tmp_path)
    seed = str(pytestconfig.getoption("--seed"))
    ran = subprocess.run(
        [sys.executable, "-m", "fa_testing.mutants", str(wheel.api), seed],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{TESTS}"},
    )
    print(ran.stdout)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"


@pytest.mark.smoke
def test_published_wheels_have_no_mutants(wheel: Wheel) -> None:
    assert wheel.native.mutant() == ""
