"""Which files belong to a build, and their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

_SKIPPED_DIRECTORIES = {"build", "__pycache__"}
_SKIPPED_SUFFIXES = {".pyc", ".so", ".a", ".o"}
_NOT_COMPILED = {".md", ".py", ".pyi"}


def source_files(root: Path) -> Iterator[Path]:
    """Every file below `root` that an sdist has to carry, sorted, without build output."""
    for path in sorted(root.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if path.name not in _SKIPPED_DIRECTORIES:
                yield from source_files(path)
        elif path.suffix not in _SKIPPED_SUFFIXES:
            yield path


def file_hashes(root: Path, *, all_files: bool = False) -> dict[str, str]:
    """SHA-256 of the source files by path below `root`.

    Args:
      all_files: also those that no compiler reads, such as texts and Python.
    """
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in source_files(root)
        if all_files or path.suffix not in _NOT_COMPILED
    }


def digest(*parts: str | Mapping[str, str]) -> str:
    """Short hash over texts and file hashes, to name cache entries."""
    state = hashlib.sha256()
    for part in parts:
        text = part if isinstance(part, str) else repr(sorted(part.items()))
        state.update(text.encode() + b"\0")
    return state.hexdigest()[:16]
