"""Finds CMake, Ninja and the compiler, and runs them."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import toolchain

MINIMUM_CMAKE = (3, 18)
_FLAG_VARIABLES = ("CXXFLAGS", "CPPFLAGS", "LDFLAGS")


def log(message: str) -> None:
    """Shows progress; pip prints it with -v or on failure."""
    print(f"[flash-attn-npu] {message}", file=sys.stderr, flush=True)


def _version(tool: str) -> tuple[int, ...]:
    """Version of a program on PATH; () if it is missing or does not run."""
    path = shutil.which(tool)
    if path is None:
        return ()
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", answer.stdout) if answer.returncode == 0 else None
    return tuple(map(int, found.groups())) if found else ()


def missing_tools() -> list[str]:
    """Requirements of the build tools that this machine lacks or has too old."""
    missing = []
    if _version("cmake") < MINIMUM_CMAKE:
        missing.append("cmake>=" + ".".join(map(str, MINIMUM_CMAKE)))
    if not _version("ninja"):
        missing.append("ninja")
    return missing


def compiler() -> list[str]:
    """The C++ compiler's command line: `CXX`, else the system's.

    Raises:
      SystemExit: there is none.
    """
    command = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    if shutil.which(command[0]) is None:
        raise SystemExit(f"C++ compiler {command[0]!r} not found: install g++ or clang, or set CXX")
    return command


def definitions() -> list[str]:
    """CMake definitions that the core and the native module are built with."""
    name = toolchain.selected()
    catlass = [f"-DCATLASS_INCLUDE={toolchain.catlass_include()}"] if name != "none" else []
    return [
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DFA_NPU_TOOLCHAIN={name}",
        *catlass,
        *shlex.split(os.environ.get("FLASH_ATTN_NPU_CMAKE_ARGS", "")),
    ]


@functools.lru_cache(maxsize=1)
def configuration() -> str:
    """Everything besides the sources that decides what the compiler produces, as text."""
    cxx = compiler()
    about = [
        subprocess.run([*cxx, flag], capture_output=True, text=True, check=True).stdout
        for flag in ("--version", "-dumpmachine")
    ]
    flags = [f"{name}={os.environ.get(name, '')}" for name in _FLAG_VARIABLES]
    cann = [str(toolchain.find_cann())] if toolchain.selected() == "bisheng" else []
    return "\n".join([*cxx, *about, *cann, *flags, *definitions()])


def _run(*command: str | Path) -> None:
    line = [str(part) for part in command]
    done = subprocess.run(line, check=False, stdout=sys.stderr.fileno())
    if done.returncode != 0:
        raise SystemExit(f"build failed (exit status {done.returncode}): {shlex.join(line)}")


def _jobs() -> str:
    return os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(len(os.sched_getaffinity(0)))


def build_and_install(
    source: Path, build: Path, prefix: Path, *, extra: Sequence[str] = ()
) -> None:
    """Configures `source` in `build`, builds it and installs it below `prefix`.

    Raises:
      SystemExit: a tool is missing or a step fails.
    """
    missing = missing_tools()
    if missing:
        raise SystemExit(f"build tools not found: {', '.join(missing)} (pip installs them)")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={shutil.which('ninja')}"]
    _run("cmake", "-S", source, "-B", build, *generator, *definitions(), *extra)
    _run("cmake", "--build", build, "--parallel", _jobs())
    _run("cmake", "--install", build, "--prefix", prefix)
