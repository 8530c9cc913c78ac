"""Which toolchain compiles the NPU kernels: `FA_NPU_TOOLCHAIN` or what the machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

VARIABLE = "FA_NPU_TOOLCHAIN"
CHOICES = ("none", "bisheng", "simulator")


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
      SystemExit: unknown name, or a toolchain that nothing is built for yet.
    """
    name = os.environ.get(VARIABLE, "")
    origin = f"{VARIABLE}={name}"
    if not name:
        name, origin = detect()
    if name not in CHOICES:
        raise SystemExit(f"{VARIABLE}: got {name!r}, expected one of {', '.join(CHOICES)}")
    if name != "none":
        raise SystemExit(
            f"NPU toolchain {name!r} ({origin}): not built yet. This version has CPU kernels only; "
            f"set {VARIABLE}=none to build it."
        )
    return name
