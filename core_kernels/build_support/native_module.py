"""The native module `_C`: the bindings that both packages share, linked with the installed core."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from . import cmake
from .core_cache import installed_core
from .result_cache import cached
from .sources import digest, file_hashes
from .workspace import build_directory

KERNELS = "_npu_kernels"  # as in core_kernels/src/npu/loader.cpp


def copy_kernels(core: Path, destination: Path) -> list[Path]:
    """Puts the kernel object of an installed core into `destination`, if it has one.

    Returns:
      Paths of the copies; the folder is theirs alone, what was in it is removed.
    """
    folder = destination / KERNELS
    shutil.rmtree(folder, ignore_errors=True)
    source = core / "lib" / "fa_npu_kernels"
    if not source.is_dir():
        return []
    shutil.copytree(source, folder)
    return sorted(folder.iterdir())


def build_native_module(common: Path, destination: Path, *, keep: bool) -> tuple[Path, list[Path]]:
    """Builds `_C` for this Python and puts it into `destination`, with the kernels for NPUs.

    Args:
      common: folder with the bindings and their CMakeLists.txt.
      destination: folder that receives the module.
      keep: continue the last build of this checkout instead of starting afresh.
    Returns:
      Path of the module file, whose name carries the Python version and platform; paths of the
      kernel object's files, none if no toolchain for NPUs was selected.
    Raises:
      SystemExit: a tool is missing, the build fails, or the sources change while it runs.
    """
    core = installed_core(keep_objects=keep)
    filename = f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"
    module = destination / filename
    module.unlink(missing_ok=True)  # a process that runs with the old file keeps it
    shutil.copy2(_installed_module(common, core, keep=keep) / filename, module)
    return module, copy_kernels(core, destination)


def _installed_module(common: Path, core: Path, *, keep: bool) -> Path:
    """Folder with the module for a core and this Python, built if the cache does not hold it."""
    import pybind11  # a build requirement, so not yet there when the hook is first loaded

    python = Path(sys.executable).resolve()  # an isolated environment's own path is never the same
    filename = f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"

    def key() -> str:
        versions = f"{sys.version} {filename} pybind11 {pybind11.__version__}"
        return digest(core.name, versions, file_hashes(common))

    def build(prefix: Path, _key: str) -> None:
        name = "module-objects-" + digest(cmake.configuration(), str(common), str(python))
        with build_directory(name, [common, core / "include"], keep=keep) as folder:
            # Through a link, so that a new core does not change every compile command.
            link = folder / "core"
            link.unlink(missing_ok=True)
            link.symlink_to(core)
            # A core from the cache may be older: link anyway.
            (folder / filename).unlink(missing_ok=True)
            extra = [
                f"-DCMAKE_PREFIX_PATH={link}",
                f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
                f"-DPython_EXECUTABLE={python}",
            ]
            cmake.build_and_install(common, folder, prefix, extra=extra)

    return cached("module", key, build)
