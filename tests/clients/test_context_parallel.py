"""torch's own ring attention, with ours as the attention of one block."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("form", ["plain", "balanced"])
def test_ring_of_torch(form: str, tmp_path: Path) -> None:
    name = "torch.distributed.tensor.experimental._context_parallel"
    if importlib.util.find_spec(name) is None:
        pytest.skip("this torch keeps its ring attention elsewhere")
    environment = os.environ | {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    module = (sys.executable, "-m", "clients.torch_ring_worker", form)
    running = [
        subprocess.Popen(
            [*module, str(rank), str(tmp_path / "rendezvous")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert all(process.returncode == 0 for process in running), "\n".join(outputs)


def test_context_parallel_has_no_place_for_our_operator() -> None:
    """Should this fail, torch can be told of it, and docs/clients has to say so."""
    from torch.distributed.tensor.experimental._context_parallel import _attention

    operators = {str(operator) for operator in _attention.custom_ops}
    assert all("aten._scaled_dot_product" in name for name in operators)
    assert not any("for_cpu" in name or "overrideable" in name for name in operators)
    assert torch.ops.aten._scaled_dot_product_flash_attention_for_cpu is not None
