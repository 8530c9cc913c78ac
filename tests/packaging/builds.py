"""Runs the real build commands and reads what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"flash-attn-npu-v2": "flash_attn", "flash-attn-npu-v3": "flash_attn_interface"}


def run(
    *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command; stdout holds all that it printed."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


class Built(NamedTuple):
    """An archive and what its build printed."""

    path: Path
    log: str

    @property
    def names(self) -> set[str]:
        """Files in the archive; for an sdist without its top folder."""
        if self.path.suffix == ".whl":
            return set(zipfile.ZipFile(self.path).namelist())
        with tarfile.open(self.path) as archive:
            return {member.name.split("/", 1)[1] for member in archive if not member.isdir()}


def environment(cache: Path, **variables: str) -> dict[str, str]:
    """Environment of a build: a cache of its own and nothing from the caller's settings."""
    dropped = ("FLASH_ATTN_", "FA_", "PYTHON", "ASCEND_", "CATLASS_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    folders = kept["PATH"].split(os.pathsep)
    kept["PATH"] = os.pathsep.join(f for f in folders if not Path(f, "bisheng").exists())
    return kept | {"FLASH_ATTN_NPU_CORE_CACHE": str(cache)} | variables


def start_wheel(source: Path, target: Path, cache: Path, **variables: str) -> subprocess.Popen[str]:
    """Starts building a wheel, isolated, with its whole output readable."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-v",
        "--no-deps",
        "-w",
        str(target),
        str(source),
    ]
    return subprocess.Popen(
        command, env=environment(cache, **variables), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish_wheel(process: subprocess.Popen[str], target: Path) -> Built:
    """Waits for start_wheel."""
    log = process.communicate()[0]
    assert process.returncode == 0, log
    (wheel,) = target.glob("*.whl")
    return Built(wheel, log)


def build_wheel(source: Path, target: Path, cache: Path, **variables: str) -> Built:
    """Builds a wheel in an isolated environment."""
    return finish_wheel(start_wheel(source, target, cache, **variables), target)


def build_sdist(source: Path, target: Path, cache: Path) -> Built:
    """Builds an sdist in an isolated environment."""
    command = (sys.executable, "-m", "build", "--sdist", "-o", target, source)
    done = run(*command, env=environment(cache))
    assert done.returncode == 0, done.stdout
    (archive,) = target.glob("*.tar.gz")
    return Built(archive, done.stdout)


def unpack(sdist: Path, target: Path) -> Path:
    """Unpacks an sdist; its top folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(target, filter="data")
    (top,) = target.iterdir()
    return top


def compiled(log: str) -> list[str]:
    """Names of the C++ files that a build compiled."""
    return re.findall(r"Building CXX object \S*?(\w+\.cpp)\.o", log)


def core_events(log: str) -> list[str]:
    """What a build did with the core: built or reused."""
    return re.findall(r"core (built|reused)", log)


def module_events(log: str) -> list[str]:
    """What a build did with the native module: built or reused."""
    return re.findall(r"module (built|reused)", log)
