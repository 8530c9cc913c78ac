"""Build hook of this package; the code is shared (in a checkout beside us, in an sdist inside)."""

import sys
from pathlib import Path

_here = Path(__file__).resolve().parent
_core = next(p for p in (_here / "core_kernels", _here.parents[1] / "core_kernels") if p.is_dir())
sys.path.insert(0, str(_core))

from build_support.hook import CustomBuildHook as CustomBuildHook  # noqa: E402
