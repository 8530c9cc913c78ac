"""The texts hold together: examples run, links and named pages exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("benchmarks", "core_kernels", "docs", "packages", "tests", "third_party")
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.md"))})
SOURCES = sorted(p for f in FOLDERS for s in ("py", "h", "cpp") for p in (ROOT / f).rglob(f"*.{s}"))
EXAMPLES = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}-{i}")
    for path in DOCUMENTS
    for i, block in enumerate(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S))
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("block", EXAMPLES)
def test_examples_run(block: str) -> None:
    torch.manual_seed(0)
    exec(compile(block, "example", "exec"), {"__name__": "example"})


def test_shapes_in_the_readme_are_right() -> None:
    """What its comments say about `out` and `x`."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    expected = [{"out": (2, 128, 8, 64), "x": (8, 4, 32)}, {"out": (2, 1, 8, 64)}]
    for block, shapes in zip(blocks, expected, strict=True):
        names: dict[str, torch.Tensor] = {}
        exec(compile(block, "example", "exec"), names)
        assert {name: tuple(names[name].shape) for name in shapes} == shapes


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s#]+)", path.read_text())
    missing = [x for x in links if "://" not in x and not (path.parent / x).exists()]
    assert not missing


def test_pages_that_sources_name_exist() -> None:
    for path in SOURCES:
        for page in re.findall(r"\b(?:docs|tests|benchmarks)/[\w/-]+\.md\b", path.read_text()):
            assert (ROOT / page).exists(), f"{name_of(path)} names {page}"
