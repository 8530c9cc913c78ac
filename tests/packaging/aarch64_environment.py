"""Makes a folder with AArch64 Linux programs for qemu-user: Python, PyTorch and what tests need.

    python aarch64_environment.py FOLDER TORCH_VERSION [REQUIREMENT ...]

Debian's packages and PyPI's wheels for AArch64 are unpacked below FOLDER; nothing is installed in
this machine, and no privilege is needed. FOLDER ends up with

    sysroot   Debian's Python, its headers and the libraries that it needs
    site      the wheels, on the path of that Python
    build     the configuration of that Python, for builds on this machine
    python    a script that runs that Python

The Python is the one of the Debian release that apt knows; its version must be that of the Python
that runs this script. It needs apt-get, dpkg-deb and qemu-aarch64 or qemu-aarch64-static.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
# Armv8.2 with fp16 arithmetic, without BF16 and SVE, like a Kunpeng 920: other instructions trap.
PROCESSOR = "neoverse-n1"
# Of torch, less what is for CUDA: pip would judge by this machine's processor, not by the other's.
TORCH_NEEDS = ("filelock", "fsspec", "jinja2", "networkx", "numpy", "sympy", "typing-extensions")


def _apt(folder: Path, *arguments: str) -> None:
    """apt-get with state, cache and architecture of its own: as if nothing were installed."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": "1",
    }
    settings = [f"-o{name}={value}" for name, value in options.items()]
    subprocess.run(["apt-get", "-qq", *settings, *arguments], check=True)


def make_sysroot(folder: Path) -> None:
    """Unpacks Python, its headers and all libraries that these need."""
    apt = folder / "apt"
    _apt(apt, "update")
    packages = (f"{PYTHON}-dev", "libstdc++6")
    _apt(apt, "install", "-y", "--download-only", "--no-install-recommends", *packages)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "sysroot")], check=True)
    shutil.rmtree(apt)


def _pip_install(target: Path, *arguments: str) -> None:
    platforms = [f"--platform=manylinux{name}_aarch64" for name in ("_2_28", "_2_17", "2014")]
    options = ["--quiet", "--only-binary=:all:", *platforms, "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *arguments], check=True)


def make_build_configuration(folder: Path) -> None:
    """What Python's sysconfig reads for a build on this machine that is for the other."""
    (source,) = (folder / f"sysroot/usr/lib/{PYTHON}").glob("_sysconfigdata__aarch64*.py")
    (folder / "build").mkdir(exist_ok=True)
    shutil.copy(source, folder / "build/_sysconfigdata_aarch64.py")


def make_interpreter(folder: Path) -> Path:
    """A script that runs the folder's Python, which takes the script for its own path."""
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        raise SystemExit("qemu-aarch64 not found: install qemu-user-static or qemu-user")
    script = folder / "python"
    script.write_text(
        "#!/bin/sh\n"
        f"export PYTHONPATH={folder / 'site'} PYTHONNOUSERSITE=1\n"
        f"exec {emulator} -cpu {PROCESSOR} -L {folder / 'sysroot'} -0 {script} "
        f'{folder / "sysroot/usr/bin" / PYTHON} "$@"\n'
    )
    script.chmod(0o755)
    return script


def main(folder: Path, torch: str, *requirements: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_sysroot(folder)
    site = folder / "site"
    _pip_install(site, "--no-deps", f"torch=={torch}")
    _pip_install(site, *TORCH_NEEDS, *requirements)
    make_build_configuration(folder)
    script = make_interpreter(folder)
    subprocess.run([script, "-c", "import platform; print(platform.machine())"], check=True)


def build_variables(folder: Path, toolchain_file: Path) -> dict[str, str]:
    """Environment variables of a wheel's build on this machine for the folder's Python."""
    headers = folder / "sysroot/usr/include"
    definitions = {
        "CMAKE_TOOLCHAIN_FILE": toolchain_file,
        "Python_INCLUDE_DIR": headers / PYTHON,
        # Python's own headers look for the processor's below the common folder.
        "CMAKE_CXX_FLAGS": f"-idirafter{headers}",
    }
    return {
        "_PYTHON_HOST_PLATFORM": "linux-aarch64",
        "_PYTHON_SYSCONFIGDATA_NAME": "_sysconfigdata_aarch64",
        "PYTHONPATH": str(folder / "build"),
        "CXX": os.environ.get("CXX_AARCH64", "aarch64-linux-gnu-g++"),
        "FA_NPU_TOOLCHAIN": "none",
        "FLASH_ATTN_NPU_CMAKE_ARGS": " ".join(f"-D{k}={v}" for k, v in definitions.items()),
    }


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
