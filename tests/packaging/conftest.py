"""Builds that several packaging tests look at. The real core is compiled once, all in all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from builds import (
    PACKAGES,
    ROOT,
    Built,
    build_sdist,
    build_wheel,
    finish_wheel,
    start_wheel,
    unpack,
)


def copy_checkout(target: Path) -> Path:
    """Copies what git would commit, with symlinks."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
               "core_kernels", "packages", ".gitignore"]  # fmt: skip
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def sdists(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, Built]:
    """The sdist of each package, from the checkout."""
    return {
        package: build_sdist(ROOT / "packages" / package, tmp_path_factory.mktemp("sdist"), cache)
        for package in PACKAGES
    }


@pytest.fixture(scope="session")
def wheels(
    tmp_path_factory: pytest.TempPathFactory, sdists: dict[str, Built], cache: Path
) -> dict[str, Built]:
    """Both wheels, built from the sdists at the same moment and with an empty cache."""
    running = {}
    for package, sdist in sdists.items():
        target = tmp_path_factory.mktemp("wheel")
        running[package] = (start_wheel(sdist.path, target, cache), target)
    return {package: finish_wheel(*started) for package, started in running.items()}


@pytest.fixture(scope="session")
def second_generation(
    tmp_path_factory: pytest.TempPathFactory,
    sdists: dict[str, Built],
    wheels: dict[str, Built],
    cache: Path,
) -> tuple[Built, Built]:
    """An sdist made from an unpacked sdist, and the wheel made from it."""
    package = next(iter(PACKAGES))
    top = unpack(sdists[package].path, tmp_path_factory.mktemp("unpacked"))
    sdist = build_sdist(top, tmp_path_factory.mktemp("sdist"), cache)
    return sdist, build_wheel(sdist.path, tmp_path_factory.mktemp("wheel"), cache)


@pytest.fixture
def toy_checkout(tmp_path: Path) -> Path:
    """A checkout whose core and bindings are those of toy/: everything else is the real thing."""
    checkout = copy_checkout(tmp_path / "checkout")
    toy = ROOT / "tests/packaging/toy"
    core, bindings = checkout / "core_kernels", checkout / "packages/common/bindings"
    for path in core.iterdir():
        if path.name not in {"build_support", "cmake"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in bindings.glob("*.*"):
        path.unlink() if path.suffix != ".pyi" else None
    shutil.copytree(toy / "core", core, dirs_exist_ok=True)
    shutil.copytree(toy / "bindings", bindings, dirs_exist_ok=True)
    return checkout
