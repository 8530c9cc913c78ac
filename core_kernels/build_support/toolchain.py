"""Which toolchain compiles the NPU kernels: `FA_NPU_TOOLCHAIN` or what the machine has."""

from __future__ import annotations

import functools
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

VARIABLE = "FA_NPU_TOOLCHAIN"
CHOICES = ("none", "bisheng", "simulator")
_ROOT = Path(__file__).resolve().parents[2]  # of the checkout, or of an unpacked sdist
SIMULATOR = _ROOT / "simulator"
_FINDER = Path(__file__).resolve().parents[1] / "cmake" / "cann.cmake"
_CATLASS = _ROOT / "third_party" / "catlass.py"  # of a checkout only


class Cann(NamedTuple):
    """An installed CANN that can compile the kernels."""

    home: Path
    version: str
    compiler: Path


def _could_have_cann() -> bool:
    return bool(
        os.environ.get("ASCEND_HOME_PATH")
        or os.environ.get("ASCEND_TOOLKIT_HOME")
        or shutil.which("bisheng")
    )


@functools.lru_cache(maxsize=1)
def find_cann() -> Cann | str:
    """CANN as the build finds it, or why none can be used.

    Raises:
      SystemExit: there is no CMake to ask.
    """
    if shutil.which("cmake") is None:
        raise SystemExit(f"CANN is found by CMake, which is not there: pip install cmake, or set "
                         f"{VARIABLE}=none")  # fmt: skip
    run = subprocess.run(["cmake", "-P", _FINDER], capture_output=True, text=True, check=True)
    found: dict[str, str] = dict(re.findall(r"^-- (\w+)=(.*)$", run.stdout, re.MULTILINE))
    if found["FA_CANN_PROBLEM"]:
        return found["FA_CANN_PROBLEM"]
    compiler = Path(found["FA_BISHENG"])
    return Cann(Path(found["FA_CANN_HOME"]), found["FA_CANN_VERSION"], compiler)


def detect() -> tuple[str, str]:
    """The toolchain for this machine and what it was concluded from."""
    if not _could_have_cann():
        return "none", "no CANN on this machine"
    cann = find_cann()
    if isinstance(cann, str):
        return "none", cann
    return "bisheng", f"CANN {cann.version} in {cann.home}; {VARIABLE}=none builds without it"


def chosen() -> tuple[str, str]:
    """The toolchain to build with, and why it is this one.

    Raises:
      SystemExit: unknown name, or a toolchain that cannot be used here.
    """
    name = os.environ.get(VARIABLE, "")
    if not name:
        return detect()
    if name not in CHOICES:
        raise SystemExit(f"{VARIABLE}: got {name!r}, expected one of {', '.join(CHOICES)}")
    if name == "bisheng":
        cann = find_cann()
        if isinstance(cann, str):
            raise SystemExit(f"{VARIABLE}={name}: {cann}. {VARIABLE}=none builds without it.")
        return name, f"{VARIABLE}, CANN {cann.version} in {cann.home}"
    if name == "simulator" and not SIMULATOR.is_dir():
        raise SystemExit(
            f"{VARIABLE}={name}: an sdist does not carry the simulator. Build from a checkout, or "
            f"set {VARIABLE}=none."
        )
    return name, VARIABLE


def selected() -> str:
    """The name of `chosen`."""
    return chosen()[0]


def catlass_include() -> Path:
    """Include folder of the CATLASS headers, which kernels are compiled with.

    Raises:
      SystemExit: they are not there; a build downloads nothing.
    """
    if _CATLASS.exists():
        found: Path | None = runpy.run_path(str(_CATLASS))["existing"]()
        way = "run `python third_party/catlass.py` first, or set CATLASS_DIR"
    else:
        found = _chosen_catlass()
        way = "set CATLASS_DIR to a checkout of CATLASS (hicann/catlass, v1.6.3)"
    if found is None:
        raise SystemExit(
            f"CATLASS headers not found: {way}; {VARIABLE}=none builds without NPU kernels."
        )
    return found


def _chosen_catlass() -> Path | None:
    chosen = os.environ.get("CATLASS_DIR")
    include = Path(chosen, "include") if chosen else None
    return include if include and (include / "catlass" / "catlass.hpp").exists() else None
