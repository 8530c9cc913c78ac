"""What the documents say: commands exist, figures have one, generated tables are current."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lint.tree import ROOT, relative, tracked

DOCUMENTS = tracked("*.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """Indented command lines and commands in backticks that start a program of the checkout."""
    found = re.findall(r"^    ((?:\./dev|python|pip) .*)$", text, re.M)
    found += re.findall(r"`((?:\./dev|python|pip) [^`]*)`", text)
    return [re.split(r"\s{2,}", line)[0] for line in found]


def test_readme_has_an_example_for_each_package() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)  # test_texts.py runs them
    assert any("from flash_attn import" in block for block in blocks)
    assert any("from flash_attn_interface import" in block for block in blocks)


def nox_sessions() -> set[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {f.name for f in functions if any("session" in ast.dump(d) for d in f.decorator_list)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_commands_exist(path: Path) -> None:
    for line in commands(path.read_text(encoding="utf-8")):
        program, *words = line.split()
        if program == "./dev" and words:
            assert words[0].split("-")[0] in nox_sessions(), line
        scripts = [w for w in words if w.endswith(".py") and program == "python"]
        for script in scripts:
            assert (ROOT / script).exists(), line


def test_there_are_two_commands_and_they_come_first() -> None:
    assert commands(README)[:2] == ["./dev demo", "./dev test"]


FIGURE = re.compile(r"\d[\d.,]*\s*(x|%|us|µs|ms|s|min|minutes|MB|MiB|GB|GB/s|GFLOP/s|tokens/s)\b")


def figure_rows() -> list[list[str]]:
    """Cells of the table below "Figures" in the README."""
    section = README.split("\n## Figures\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_every_figure_comes_with_its_command() -> None:
    rows = figure_rows()
    assert rows
    for row in rows:
        assert re.search(r"\d", row[1]), row
        assert re.fullmatch(r"`(\./dev|python) [^`]+`", row[-1]), row


def test_no_figures_outside_their_table() -> None:
    before, after = README.split("\n## Figures\n")
    rest = before + after.split("\n## ", 1)[1]
    assert not FIGURE.search(rest), FIGURE.search(rest)


def test_commands_of_figures_start() -> None:
    scripts = {re.search(r"[\w/]+\.py", row[-1]) for row in figure_rows()}
    for script in {match.group() for match in scripts if match}:
        command = [sys.executable, script, "--help"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_feature_table_is_current() -> None:
    command = [sys.executable, "docs/gen_feature_table.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_feature_table_names_every_parameter() -> None:
    import flash_attn
    import flash_attn_interface
    from features import FEATURES

    named = {argument for feature in FEATURES for argument in feature.arguments}
    # Operands, and what needs no line of its own.
    named |= {"q", "k", "v", "kv", "qkv", "k_cache", "v_cache", "cu_seqlens", "max_seqlen"}
    named |= {"num_heads_q", "scheduler_metadata", "return_softmax_lse"}
    for module in (flash_attn, flash_attn_interface):
        for name in module.__all__:
            public = name.startswith("flash_attn_") and inspect.isfunction(getattr(module, name))
            if public and name != "flash_attn_combine":
                missing = set(inspect.signature(getattr(module, name)).parameters) - named
                assert not missing, f"{module.__name__}.{name}"


def test_feature_table_notices_an_argument_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    import flash_attn
    import gen_feature_table
    from features import FEATURES

    original = flash_attn.flash_attn_func

    def deaf(*arguments: Any, softcap: float = 0.0, **others: Any) -> Any:
        return original(*arguments, **others)

    deaf.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    monkeypatch.setattr(flash_attn, "flash_attn_func", deaf)
    (softcap,) = (feature for feature in FEATURES if feature.name == "softcap")
    with pytest.raises(AssertionError, match="softcap: the arguments have no effect"):
        gen_feature_table.probe(softcap, 2)


def test_decisions_are_numbered_and_listed() -> None:
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    listed = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for number, page in enumerate(pages, start=1):
        title = page.read_text(encoding="utf-8").splitlines()[0]
        assert page.name.startswith(f"{number:04}-"), page
        assert title.startswith(f"# {number}. "), page
        assert f"[{number}]({page.name}) | {title.split('. ', 1)[1]} |" in listed, page
