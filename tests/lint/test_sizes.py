"""The size report counts right, and long files have a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import sizes
from .tree import ROOT

LONG_FILES = {
    path: reason.strip()
    for path, _, reason in (
        line.partition(":")
        for line in (ROOT / "tests/lint/long_files.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
}


def test_long_files_have_a_reason() -> None:
    long = {path for path, lines in sizes.file_lines().items() if lines > sizes.LONG_FILE}
    assert long == set(LONG_FILES), (
        "tests/lint/long_files.txt lists exactly the files over 600 lines"
    )
    assert all(len(reason) > 20 for reason in LONG_FILES.values())


CPP = """
namespace a {
struct S { int x = 0; S() : x(1) {} };
template <typename T>
int first(const std::vector<std::pair<int, T>>& v, int n) {  // a comment with {
  if (n) { return '{'; }
  return 0;
}
void none() {}
enum class E { kA, kB };
}
"""


def test_cpp_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.cpp"
    path.write_text(CPP)
    monkeypatch.setattr(sizes, "relative", str)
    found = [(f.name, f.lines, f.parameters) for f in sizes.cpp_functions(path)]
    assert found == [("S", 1, 0), ("first", 5, 2), ("none", 1, 0)]
