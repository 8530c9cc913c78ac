"""Options and reports shared by all tests. Test support is the package `fa_testing`."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

# `fa_testing` and `conformance` are imported from this folder whatever the import mode.
sys.path.insert(0, str(Path(__file__).resolve().parent))
pytest.register_assert_rewrite("fa_testing", "conformance")

# The NPU plug-in of torch, if installed, would need a runtime at import.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
DEFAULT_SEED = 20260


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("flash-attention-npu")
    group.addoption("--seed", type=int, default=DEFAULT_SEED, help="seed of the generated cases")
    group.addoption(
        "--cases", type=int, default=3000, help="generated cases per wheel (default: 3000)"
    )
    group.addoption("--repro", default="", help="run this case line instead of the generated ones")


def pytest_report_header(config: pytest.Config) -> list[str]:
    import torch

    return [
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, "
        f"case seed {config.getoption('--seed')}, {config.getoption('--cases')} cases per wheel",
    ]
