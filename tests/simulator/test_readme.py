"""The Python of the simulator's README runs."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from .conftest import BUILD, ROOT

BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "simulator/README.md").read_text(), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("code", BLOCKS)
def test_block(sim: ModuleType, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(code.replace("build/sim/", f"{BUILD}/"), {})
    assert "predicted" in capsys.readouterr().out


def test_there_is_one() -> None:
    assert BLOCKS
