"""ring-flash-attn, unmodified: every form on two processes equals attention in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ring_flash_attn", exc_type=ImportError)

from clients.ring_worker import CUTS

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("form", CUTS)
def test_form(form: str, tmp_path: Path) -> None:
    world = 2
    environment = os.environ | {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "clients.ring_worker"),
                *(form, str(rank), str(world), str(tmp_path / "rendezvous")),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert all(process.returncode == 0 for process in running), "\n".join(outputs)
