"""Prints the sizes of files, functions and parameter lists: what grew, and where to look first.

    python -m tests.lint.sizes [--rows N]

A report, not a limit: see CONTRIBUTING.md. Only files over 600 lines need a line with a reason in
long_files.txt, which test_sizes.py checks.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .tree import ROOT, relative, tracked

LONG_FILE = 600
LONG_FUNCTION = 60
LONG_PARAMETER_LIST = 6
_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL
)  # comments and literals
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_NOT_A_FUNCTION = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b(?![^()]*\()")


class Function(NamedTuple):
    """One function of the tree."""

    name: str
    path: str
    line: int
    lines: int
    parameters: int


def python_functions(path: Path) -> Iterator[Function]:
    """Functions of a Python file; docstrings do not count as lines, `self` not as parameter."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([a for a in every if a.arg not in {"self", "cls"}])
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                text = node.body[0]
                length -= (text.end_lineno or text.lineno) - text.lineno + 1
            yield Function(node.name, relative(path), node.lineno, length, count)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _parameter_list(head: str) -> tuple[str, int] | None:
    """Name and number of parameters of a function whose text before the body is `head`."""
    found = re.search(r"([~\w]+|operator\s*\S+)\s*\(", head)
    if found is None:
        return None
    depth, commas, text = 0, 0, ""
    for char in head[found.end() - 1 :]:
        depth += char in "(<[{"
        depth -= char in ")>]}"
        if depth == 0:
            break
        commas += char == "," and depth == 1
        text += char
    empty = text.strip("( \n") in {"", "void"}
    return found[1], 0 if empty else commas + 1


def cpp_functions(path: Path) -> Iterator[Function]:
    """Function definitions of a C++ file, found by matching braces outside function bodies."""
    text = _DIRECTIVE.sub(_blank, _NOISE.sub(_blank, path.read_text()))
    start = 0  # of the declaration being read
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char in ";}":
            start = position
        if char != "{":
            continue
        head = text[start : position - 1]
        signature = None if _NOT_A_FUNCTION.search(head) else _parameter_list(head)
        if signature is None:
            start = position  # a namespace or class: look inside
            continue
        first = text.count("\n", 0, start + len(head) - len(head.lstrip())) + 1
        depth = 1
        while depth and position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            position += 1
        lines = text.count("\n", 0, position) + 2 - first
        yield Function(signature[0], relative(path), first, lines, signature[1])
        start = position


def source_files() -> list[Path]:
    """All files of code."""
    paths = tracked("*.py", "*.pyi", "*.h", "*.hpp", "*.cpp", "*.c", "*.inc", "noxfile.py", "dev")
    return [
        path for path in paths if path.suffix in {".py", ".pyi", ".h", ".hpp", ".cpp", ".inc", ""}
    ]


def functions() -> list[Function]:
    """All functions of the tree."""
    found: list[Function] = []
    for path in source_files():
        read = python_functions if path.suffix in {".py", ""} else cpp_functions
        found += read(path) if path.suffix != ".pyi" else []
    return found


def file_lines() -> dict[str, int]:
    """Lines of every file of code."""
    return {relative(path): len(path.read_text().splitlines()) for path in source_files()}


def _rows(title: str, rows: list[str], limit: int) -> None:
    print(f"\n{title}: {len(rows)}")
    for row in rows[:limit]:
        print(f"  {row}")


def main() -> None:
    """Prints the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=12, help="rows per table (default: 12)")
    limit = parser.parse_args().rows
    lines = file_lines()
    ordered = sorted(lines.values())
    ninth = ordered[len(ordered) * 9 // 10]
    print(f"{len(lines)} files of code below {ROOT.name}, {sum(ordered)} lines")
    print(f"lines per file: median {statistics.median(ordered):.0f}, 90 % up to {ninth}, "
          f"largest {ordered[-1]}")  # fmt: skip
    longest = sorted(lines.items(), key=lambda item: -item[1])
    _rows("longest files", [f"{count:5} {name}" for name, count in longest], limit)
    every = functions()
    long = sorted((f for f in every if f.lines > LONG_FUNCTION), key=lambda f: -f.lines)
    _rows(
        f"functions over {LONG_FUNCTION} lines (of {len(every)})",
        [f"{f.lines:5} {f.name}  {f.path}:{f.line}" for f in long],
        limit,
    )
    wide = sorted(
        (f for f in every if f.parameters > LONG_PARAMETER_LIST), key=lambda f: -f.parameters
    )
    _rows(
        f"functions with more than {LONG_PARAMETER_LIST} parameters",
        [f"{f.parameters:5} {f.name}  {f.path}:{f.line}" for f in wide],
        limit,
    )


if __name__ == "__main__":
    main()
