"""Directories to build in: kept between the builds of a checkout, temporary otherwise.

Ninja decides by modification times what to compile again. That is right for a checkout, where an
edit makes a file newer, but not for an unpacked sdist (all files carry one fixed time) and not for
an older file copied over a newer one. So a kept directory remembers the hashes of what it was built
from, and is emptied when a file changed without becoming newer than the last build.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .cmake import log
from .sources import file_hashes


def cache_directory() -> Path:
    """Where built cores and kept build directories are: FLASH_ATTN_NPU_CORE_CACHE or the user's."""
    chosen = os.environ.get("FLASH_ATTN_NPU_CORE_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flash-attn-npu"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`, so that two builds at once do not step on each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"waiting for another build ({path.name})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _trusted(directory: Path, roots: Sequence[Path], hashes: list[dict[str, str]]) -> bool:
    """Whether modification times tell everything that changed since `directory` was built."""
    record = directory / "built-from.json"
    if not record.is_file():
        return False
    built = record.stat().st_mtime
    for root, now, before in zip(roots, hashes, json.loads(record.read_text()), strict=True):
        changed = [root / name for name, value in now.items() if before.get(name) != value]
        if any(path.stat().st_mtime <= built for path in changed):
            return False
    return True


@contextlib.contextmanager
def build_directory(name: str, roots: Sequence[Path], *, keep: bool) -> Iterator[Path]:
    """A locked directory to build what is below `roots` in, emptied unless it can be continued."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as temporary:
            yield Path(temporary)
        return
    directory = cache_directory() / "builds" / name
    with locked(directory.with_name(f"{name}.lock")):
        hashes = [file_hashes(root) for root in roots]
        if directory.exists() and not _trusted(directory, roots, hashes):
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            yield directory
        finally:
            (directory / "built-from.json").write_text(json.dumps(hashes))
