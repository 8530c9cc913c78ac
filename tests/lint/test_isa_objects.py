"""Objects compiled for one ISA share nothing that the linker may merge with other objects.

A template or inline function compiled with AVX-512 and also without has one name; the linker keeps
one copy, and if that is the AVX-512 one, every CPU runs it. Such symbols are weak ("W", "V") or
unique ("u") in the object file.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tree import ROOT, tracked

ISA_SOURCES = [path.name for path in tracked("core_kernels/src/cpu/isa/*.cpp")]


def defined_symbols(archive: Path) -> Iterator[tuple[str, str, str]]:
    """(object, kind, symbol) of everything that a static library defines."""
    command = ["nm", "--defined-only", "--demangle", str(archive)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    member = ""
    for line in listing.splitlines():
        if line.endswith(":"):
            member = line[:-1]
        elif row := re.match(r"[0-9a-f]+ (\w) (.+)", line):
            yield member, row[1], row[2]


@pytest.fixture(scope="module")
def core_library() -> Path:
    sys.path.insert(0, str(ROOT / "core_kernels"))
    from build_support.core_cache import installed_core

    (library,) = installed_core(keep_objects=True).rglob("libfa_core.a")
    return library


def test_no_mergeable_symbols(core_library: Path) -> None:
    symbols = list(defined_symbols(core_library))
    members = {member for member, _, _ in symbols}
    present = [name for name in ISA_SOURCES if any(m.startswith(name) for m in members)]
    assert "portable.cpp" in present
    shared = [
        f"{member}: {kind} {symbol}"
        for member, kind, symbol in symbols
        if kind in "WVu" and any(member.startswith(name) for name in ISA_SOURCES)
    ]
    assert not shared


def test_mergeable_symbols_are_found(tmp_path: Path) -> None:
    source = tmp_path / "shared.cpp"
    source.write_text(
        "template <class T> T twice(T x) { return x + x; }\ntemplate int twice(int);\n"
    )
    subprocess.run(["c++", "-c", str(source), "-o", str(tmp_path / "shared.o")], check=True)
    subprocess.run(["ar", "rcs", str(tmp_path / "l.a"), str(tmp_path / "shared.o")], check=True)
    assert [kind for _, kind, _ in defined_symbols(tmp_path / "l.a")] == ["W"]
