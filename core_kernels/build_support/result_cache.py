"""What a build installs, kept by what it was made from."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from . import cmake
from .workspace import cache_directory, locked

_UNUSED_SECONDS = 30 * 24 * 3600


def cached(kind: str, key: Callable[[], str], build: Callable[[Path, str], None]) -> Path:
    """A prefix from the cache, built first if it is not there; others who want it wait.

    Args:
      kind: of what is installed, such as core.
      key: names what the present sources and configuration give.
      build: installs it below the prefix that it is given; gets its name too.
    Raises:
      SystemExit: the build fails, or the sources change while it runs.
    """
    name = key()
    entry = cache_directory() / f"{kind}-{name}"
    with locked(entry.with_name(f"{entry.name}.lock")):
        if entry.is_dir():
            cmake.log(f"{kind} reused: {entry}")
        else:
            started = time.monotonic()
            with tempfile.TemporaryDirectory(prefix=f"{entry.name}.", dir=entry.parent) as staging:
                prefix = Path(staging) / "prefix"
                build(prefix, name)
                if key() != name:
                    raise SystemExit(
                        f"the {kind}'s sources changed while it was built: build again"
                    )
                prefix.rename(entry)
            cmake.log(f"{kind} built in {time.monotonic() - started:.1f} s: {entry}")
        os.utime(entry)
    _remove_unused(entry.parent, kind)
    return entry


def _remove_unused(cache: Path, kind: str) -> None:
    oldest = time.time() - _UNUSED_SECONDS
    for entry in cache.glob(f"{kind}-*"):
        if entry.is_dir() and entry.stat().st_mtime < oldest:
            shutil.rmtree(entry, ignore_errors=True)
