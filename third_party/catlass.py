"""Finds the CATLASS headers, fetching them if need be, and prints their include folder.

    python third_party/catlass.py

The first of these that is there is taken:

1. the folder that the environment variable CATLASS_DIR names (a checkout of CATLASS),
2. the git submodule third_party/catlass (`git submodule update --init third_party/catlass`),
3. what a former call has fetched into build/catlass,
4. the source distribution of a package that carries the same headers, from the package index that
   pip uses. Its SHA-256 is pinned; only the headers are unpacked, nothing of it is built or run.

CATLASS is under the CANN Open Software License, which is for Ascend systems: nothing of it is
committed here, and nothing of it is compiled into a wheel for CPUs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBMODULE = ROOT / "third_party" / "catlass"
FETCHED = ROOT / "build" / "catlass"
PROBE = Path("catlass") / "catlass.hpp"

# The newest source distribution with these headers. Compared file by file: they are those of the
# tag that the submodule is pinned to, but for seven files that this project does not include.
PACKAGE = "flash-attn-npu"
VERSION = "0.4.2.post1"
SHA256 = "7a47b063f7888860526fe6c3cecb4ec40c5247fe5c50cb35bde87935ae8cca11"
HEADERS = f"flash_attn_npu-{VERSION}/csrc/catlass/include/"


def existing() -> Path | None:
    """The include folder that is there already; a CATLASS_DIR without headers is an error."""
    chosen = os.environ.get("CATLASS_DIR")
    if chosen:
        include = Path(chosen) / "include"
        if not (include / PROBE).exists():
            sys.exit(f"CATLASS_DIR is {chosen}, but {include / PROBE} does not exist")
        return include
    for include in (SUBMODULE / "include", FETCHED / SHA256[:16] / "include"):
        if (include / PROBE).exists():
            return include
    return None


def index_urls() -> list[str]:
    """The package indexes of pip's own configuration; none: unearth's default."""
    if "PIP_INDEX_URL" in os.environ:
        return [os.environ["PIP_INDEX_URL"]]
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.split() if found.returncode == 0 else []


def download(folder: Path) -> Path:
    """The source distribution, as a file whose checksum was compared."""
    try:
        from unearth import PackageFinder
    except ImportError:
        sys.exit("fetching CATLASS takes the package unearth: pip install unearth")
    finder = PackageFinder(index_urls=index_urls(), no_binary=[PACKAGE])
    matches = list(finder.find_matches(f"{PACKAGE}=={VERSION}"))
    if not matches:
        sys.exit(f"the package index has no source distribution of {PACKAGE} {VERSION}")
    archive = folder / "archive.tar.gz"
    with urllib.request.urlopen(matches[0].link.url_without_fragment) as source:
        archive.write_bytes(source.read())
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{PACKAGE} {VERSION} has SHA-256 {digest}, expected {SHA256}")
    return archive


def fetch() -> Path:
    """Downloads the archive and unpacks the headers."""
    target = FETCHED / SHA256[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        archive = download(Path(scratch))
        unpacked = Path(scratch) / "headers"
        with tarfile.open(archive) as tar:
            for member in tar:
                if not member.isfile() or not member.name.startswith(HEADERS):
                    continue
                path = unpacked / "include" / member.name[len(HEADERS) :]
                if unpacked not in path.resolve().parents:
                    sys.exit(f"{PACKAGE}: {member.name} leads outside")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(tar.extractfile(member), file)  # type: ignore[arg-type]
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)
    return target / "include"


def main() -> None:
    """Prints the include folder."""
    print(existing() or fetch())


if __name__ == "__main__":
    main()
