"""A C++ program starts a kernel through ASC_LAUNCH."""

from __future__ import annotations

import subprocess

import pytest

from .conftest import BUILD


def run_program(tiles: int) -> subprocess.CompletedProcess[str]:
    (library,) = BUILD.rglob("libdouble_buffered_add_aiv.so")
    command = [str(BUILD / "asc_host_add"), str(library), str(tiles)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_result() -> None:
    result = run_program(16)
    assert (result.returncode, result.stdout) == (0, "z[0] = 3.5, z[32767] = 3.5\n"), result.stderr


@pytest.mark.parametrize("tiles", [17])
def test_defect(tiles: int) -> None:
    result = run_program(tiles)
    assert result.returncode == 1
    assert "gm bounds in double_buffered_add" in result.stderr
    assert "outside of a buffer of 131072 bytes" in result.stderr
    assert "GM x bytes [131072, 139264)" in result.stderr
