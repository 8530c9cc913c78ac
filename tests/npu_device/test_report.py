"""`python -m flash_attn` on a machine with NPUs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from fa_testing.backends import MODULES


def test_report(api: int, torch_npu: Any) -> None:
    command = [sys.executable, "-m", MODULES[api], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout[done.stdout.index("{") :])
    assert facts["torch_npu"] == torch_npu.__version__.split("+")[0]
    assert facts["soc"] == "Ascend910B2" and facts["cann"] and facts["devices"] == "1"
    assert facts["task queue"].startswith("RunOpApi")
    assert "npu: ready" in facts["backends"] and "fa_forward_bf16_d128" in facts["npu kernels"]
