"""Which toolchain compiles the NPU kernels: `FA_NPU_TOOLCHAIN` or what the machine has."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

VARIABLE = "FA_NPU_TOOLCHAIN"
CHOICES = ("none", "bisheng", "simulator")
_ROOT = Path(__file__).resolve().parents[2]  # of the checkout, or of an unpacked sdist
SIMULATOR = _ROOT / "simulator"
_CATLASS = _ROOT / "third_party" / "catlass.py"


def detect() -> tuple[str, str]:
    """The toolchain for this machine and what it was concluded from."""
    cann = os.environ.get("ASCEND_HOME_PATH")
    if cann and Path(cann).is_dir():
        return "bisheng", f"CANN found in ASCEND_HOME_PATH={cann}"
    compiler = shutil.which("bisheng")
    if compiler:
        return "bisheng", f"CANN's compiler found: {compiler}"
    return "none", "no CANN on this machine"


def selected() -> str:
    """The toolchain to build with.

    Raises:
      SystemExit: unknown name, or a toolchain that cannot be used here.
    """
    name = os.environ.get(VARIABLE, "")
    origin = f"{VARIABLE}={name}"
    if not name:
        name, origin = detect()
    if name not in CHOICES:
        raise SystemExit(f"{VARIABLE}: got {name!r}, expected one of {', '.join(CHOICES)}")
    if name == "bisheng":
        raise SystemExit(
            f"NPU toolchain {name!r} ({origin}): not built yet. This version has kernels for CPUs "
            f"and for the simulator; set {VARIABLE}=none or {VARIABLE}=simulator to build it."
        )
    if name == "simulator" and not SIMULATOR.is_dir():
        raise SystemExit(
            f"NPU toolchain {name!r} ({origin}): an sdist does not carry the simulator. Build from "
            f"a checkout, or set {VARIABLE}=none."
        )
    return name


def catlass_include() -> Path:
    """Include folder of the CATLASS headers, which kernels are compiled with.

    Raises:
      SystemExit: they are not there; a build downloads nothing.
    """
    found: Path | None = runpy.run_path(str(_CATLASS))["existing"]()
    if found is None:
        raise SystemExit(
            "CATLASS headers not found: run `python third_party/catlass.py` first, or set "
            f"CATLASS_DIR; {VARIABLE}=none builds without them."
        )
    return found
