"""The core library, built once per content and configuration and then only linked."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from . import cmake, toolchain
from .sources import digest, file_hashes
from .workspace import build_directory, cache_directory, locked

CORE = Path(__file__).resolve().parents[1]
_UNUSED_SECONDS = 30 * 24 * 3600


def core_key() -> str:
    """Names the core that the present sources and configuration give."""
    return digest(cmake.configuration(), *(file_hashes(tree) for tree in _trees()))


def _trees() -> list[Path]:
    """Folders whose files the core is made of."""
    name = toolchain.selected()
    simulator = [toolchain.SIMULATOR] if name == "simulator" else []
    catlass = [toolchain.catlass_include()] if name != "none" else []
    return [CORE, *simulator, *catlass]


def installed_core(*, keep_objects: bool) -> Path:
    """Prefix of the installed core, built first if the cache does not hold it.

    Args:
      keep_objects: compile in a directory that stays, so that the next build after an edit
        compiles the touched files only.
    Raises:
      SystemExit: the build fails, or the sources change while it runs.
    """
    cmake.log("NPU kernels: {} ({})".format(*toolchain.chosen()))
    key = core_key()
    entry = cache_directory() / f"core-{key}"
    with locked(entry.with_name(f"{entry.name}.lock")):
        if entry.is_dir():
            cmake.log(f"core reused: {entry}")
        else:
            started = time.monotonic()
            _build(entry, key, keep_objects=keep_objects)
            if core_key() != key:
                shutil.rmtree(entry)
                raise SystemExit("the core's sources changed while it was built: build again")
            cmake.log(f"core built in {time.monotonic() - started:.1f} s: {entry}")
        os.utime(entry)
    _remove_unused(entry.parent)
    return entry


def _build(entry: Path, key: str, *, keep_objects: bool) -> None:
    name = "core-objects-" + digest(cmake.configuration(), str(CORE))
    with (
        build_directory(name, _trees(), keep=keep_objects) as build,
        tempfile.TemporaryDirectory(prefix=f"{entry.name}.", dir=entry.parent) as staging,
    ):
        prefix = Path(staging) / "prefix"
        cmake.build_and_install(CORE, build, prefix, extra=[f"-DFA_BUILD_KEY={key}"])
        prefix.rename(entry)


def _remove_unused(cache: Path) -> None:
    oldest = time.time() - _UNUSED_SECONDS
    for entry in cache.glob("core-*"):
        if entry.is_dir() and entry.stat().st_mtime < oldest:
            shutil.rmtree(entry, ignore_errors=True)
