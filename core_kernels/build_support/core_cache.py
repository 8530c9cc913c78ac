"""The core library, built once per content and configuration and then only linked."""

from __future__ import annotations

from pathlib import Path

from . import cmake, toolchain
from .result_cache import cached
from .sources import digest, file_hashes
from .workspace import build_directory

CORE = Path(__file__).resolve().parents[1]


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

    def build(prefix: Path, key: str) -> None:
        name = "core-objects-" + digest(cmake.configuration(), str(CORE))
        with build_directory(name, _trees(), keep=keep_objects) as folder:
            cmake.build_and_install(CORE, folder, prefix, extra=[f"-DFA_BUILD_KEY={key}"])

    cmake.log("NPU kernels: {} ({})".format(*toolchain.chosen()))
    return cached("core", core_key, build)
