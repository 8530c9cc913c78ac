"""Every Python block of every Markdown file runs, each by itself.

Those of simulator/ need its module: tests/simulator/test_readme.py runs them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from lint.tree import ROOT, relative, tracked

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A Python block and the line of its file on which it begins."""

    path: Path
    line: int
    code: str

    def run(self) -> dict[str, Any]:
        """Its names afterwards. A traceback shows the lines of the document."""
        names: dict[str, Any] = {"__name__": "example"}
        torch.manual_seed(0)
        exec(
            compile("\n" * self.line + self.code, str(self.path), "exec", dont_inherit=True), names
        )
        return names


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(path, text.count("\n", 0, found.start(1)), found.group(1))
        for found in BLOCK.finditer(text)
    ]


TEXTS = [path for path in tracked("*.md") if not relative(path).startswith("simulator/")]
BLOCKS = [block for path in TEXTS for block in blocks(path)]


def test_all_blocks_are_found() -> None:
    """Other spellings of a fence would go unnoticed."""
    marks = re.compile(r"^\W*(?:```|~~~)\W*py", re.M | re.I)
    count = sum(len(marks.findall(path.read_text(encoding="utf-8"))) for path in TEXTS)
    assert len(BLOCKS) == count
    assert {ROOT / "README.md", ROOT / "docs/guides/migrate.md"} <= {block.path for block in BLOCKS}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{relative(b.path)}:{b.line}")
def test_block_runs(block: Block) -> None:
    block.run()


def test_shapes_in_the_readme_are_right() -> None:
    """What its comments say about `out` and `x`."""
    shapes = ({"out": [2, 128, 8, 64], "x": [8, 4, 32]}, {"out": [2, 1, 8, 64]})
    for block, expected in zip(blocks(ROOT / "README.md"), shapes, strict=True):
        names = block.run()
        assert {name: list(names[name].shape) for name in expected} == expected
