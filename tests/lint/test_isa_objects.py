"""Objects compiled for one ISA share nothing that the linker may merge with other objects.

A template or inline function compiled with AVX-512 and also without has one name; the linker keeps
one copy, and if that is the AVX-512 one, every CPU runs it. Such symbols are weak ("W", "V") or
unique ("u") in the object file. And what only some processors of a unit have stays in the unit that
is chosen for it.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tree import ROOT, tracked

# Instructions by the one unit that may contain them, as patterns of their mnemonics.
OWN_INSTRUCTIONS = {"avx512bf16.cpp": r"vdpbf16ps|vcvtne2?ps2bf16"}
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


def containers(archive: Path, mnemonics: str) -> set[str]:
    """The objects of a static library that contain one of the instructions."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(archive)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, member = set(), ""
    instruction = re.compile(rf"\s+[0-9a-f]+:\s+({mnemonics})\b")
    for line in listing.splitlines():
        if header := re.match(r"(\S+):\s+file format", line):
            member = header[1]
        elif instruction.match(line):
            found.add(member)
    return found


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


@pytest.mark.parametrize("owner", OWN_INSTRUCTIONS)
def test_instructions_stay_in_their_unit(core_library: Path, owner: str) -> None:
    members = {member for member, _, _ in defined_symbols(core_library)}
    own = {member for member in members if member.startswith(owner)}
    if platform.machine() in ("x86_64", "AMD64"):
        assert own, f"{owner} was not compiled"
    assert containers(core_library, OWN_INSTRUCTIONS[owner]) == own


def test_instructions_are_found(tmp_path: Path) -> None:
    source = tmp_path / "pause.s"
    source.write_text("nop\n")
    subprocess.run(["c++", "-c", str(source), "-o", str(tmp_path / "pause.o")], check=True)
    subprocess.run(["ar", "rcs", str(tmp_path / "l.a"), str(tmp_path / "pause.o")], check=True)
    assert containers(tmp_path / "l.a", "nop|d503201f") == {"pause.o"}
    assert containers(tmp_path / "l.a", "no") == set()


def test_mergeable_symbols_are_found(tmp_path: Path) -> None:
    source = tmp_path / "shared.cpp"
    source.write_text(
        "template <class T> T twice(T x) { return x + x; }\ntemplate int twice(int);\n"
    )
    subprocess.run(["c++", "-c", str(source), "-o", str(tmp_path / "shared.o")], check=True)
    subprocess.run(["ar", "rcs", str(tmp_path / "l.a"), str(tmp_path / "shared.o")], check=True)
    assert [kind for _, kind, _ in defined_symbols(tmp_path / "l.a")] == ["W"]
