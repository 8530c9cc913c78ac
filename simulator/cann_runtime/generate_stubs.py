"""Writes the functions that exist only so that torch_npu can be loaded.

    python generate_stubs.py OUTPUT.cpp

One for each name in symbols/torch_npu-*.txt. They are weak: a written function of the same name
takes its place. Those of symbols/inert.txt succeed, all others fail and say their name.
"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path

SYMBOLS = Path(__file__).resolve().parent / "symbols"


def linked_names() -> list[str]:
    """All names that any known torch_npu links."""
    texts = [path.read_text() for path in sorted(SYMBOLS.glob("torch_npu-*.txt"))]
    return sorted(set(" ".join(texts).split()))


def inert_patterns() -> list[str]:
    """Patterns of functions that do nothing."""
    lines = (SYMBOLS / "inert.txt").read_text().splitlines()
    return [line.split(":")[0] for line in lines if line and not line.startswith("#")]


def source() -> str:
    """The text of the C++ file."""
    patterns = inert_patterns()
    weak = '__attribute__((weak, visibility("default")))'
    lines = ['#include "runtime/errors.h"', ""]
    for name in linked_names():
        inert = any(fnmatchcase(name, pattern) for pattern in patterns)
        body = "0" if inert else f'ascsim::cann::unsupported("{name}")'
        lines.append(f'extern "C" {weak} long {name}() {{ return {body}; }}')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(source())
