"""Prints the functions that a torch_npu wants from CANN when it is loaded.

    python simulator/tools/torch_npu_symbols.py WHEEL_OR_FOLDER > symbols/torch_npu-VERSION.txt

The argument is a wheel file, or the folder of an installed torch_npu. Needs `nm` (binutils).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Libraries that are loaded by `import torch_npu`; others are opened by features on demand.
_LOADED = ("lib/libtorch_npu.so", "lib/libnpu_profiler.so", "_C*.so")
# Names that the libraries of CANN define: ACL, HCCL, profiling, runtime, graph engine (C++).
_CANN = re.compile(r"(acl|Hccl|Hcom|Msprof|rt[A-Z]|_ZNK?2ge)\w+$")


def undefined_symbols(library: Path) -> set[str]:
    """Names of the symbols that a library expects from others."""
    text = subprocess.run(
        ["nm", "-D", "--undefined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[-1].split("@")[0] for row in rows if row[-2] == "U"}


@contextmanager
def _folder(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory() as temporary:
        with zipfile.ZipFile(source) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".so")]
            wheel.extractall(temporary, names)
        yield Path(temporary) / "torch_npu"


def wanted_symbols(source: Path) -> list[str]:
    """Sorted names of the CANN functions that a wheel or an installed torch_npu links."""
    with _folder(source) as folder:
        libraries = [path for pattern in _LOADED for path in folder.glob(pattern)]
        if not libraries:
            raise FileNotFoundError(f"{source}: no libraries of torch_npu")
        names = set().union(*(undefined_symbols(library) for library in libraries))
    return sorted(name for name in names if _CANN.match(name))


if __name__ == "__main__":
    print(*wanted_symbols(Path(sys.argv[1])), sep="\n")
