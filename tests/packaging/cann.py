"""CANN in folders made by tests: enough of it to be found, or a stand-in that compiles kernels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from builds import ROOT

STAND_IN = Path(__file__).parent / "stand_in_cann"
NO_COMPILER = "#!/bin/sh\necho nothing is compiled here\nexit 1\n"


def empty_toolkit(
    folder: Path, version: str | None = "8.5.0", *, compiler: str | None = "bin/bisheng"
) -> Path:
    """A toolkit as the build looks for it.

    Args:
      version: None: no file tells it.
      compiler: place of a program that compiles nothing; None: there is none.
    """
    folder.mkdir(parents=True)
    if version is not None:
        (folder / "x86_64-linux").mkdir()
        text = f"package_name=Ascend-cann-toolkit\nversion={version}\narch=x86_64\n"
        (folder / "x86_64-linux/ascend_toolkit_install.info").write_text(text)
    if compiler is not None:
        write_program(folder / compiler, NO_COMPILER)
    return folder


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def stand_in_toolkit(folder: Path, version: str, simulator: Path) -> Path:
    """A toolkit whose compiler makes simulated kernels. `simulator`: the library that runs them."""
    empty_toolkit(folder, version, compiler=None)
    script = (STAND_IN / "bisheng.py").read_text()
    write_program(folder / "bin/bisheng", f"#!{sys.executable}\n{script}")
    shutil.copy(STAND_IN / "stand_in.h", folder)
    shutil.copytree(STAND_IN / "acl", folder / "include/acl")
    (folder / "lib64").mkdir()
    settings = {"version": version, "simulator": str(ROOT / "simulator"), "library": str(simulator)}
    (folder / "stand_in.json").write_text(json.dumps(settings))
    include = (f"-I{folder / 'include'}", f"-I{ROOT / 'simulator/include'}")
    command = ("c++", "-std=c++17", "-shared", "-fPIC", *include, STAND_IN / "ascendcl.cpp")
    libraries = (simulator, f"-Wl,-rpath,{simulator.parent}")
    target = ("-o", folder / "lib64/libascendcl.so")
    subprocess.run([*command, *libraries, *target], check=True)
    return folder
