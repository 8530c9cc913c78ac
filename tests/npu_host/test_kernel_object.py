"""The seam between the native module and the kernel object: other objects in its place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fa_testing.backends import MODULES
from npu_host.machine import wheels

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("stand_in.cpp")
CALL = """
import torch, {name} as m
x = torch.ones(3, 4, 2, 16, dtype=torch.{dtype})
try: m.flash_attn_func(x, x, x); print("done")
except m.FlashAttnError as error: print(type(error).__name__, error)
"""


def compiled(target: Path, *flags: str) -> Path:
    include = f"-I{ROOT / 'core_kernels/src'}"
    command = ["c++", "-std=c++17", "-shared", "-fPIC", include, *flags, str(SOURCE)]
    subprocess.run([*command, "-o", str(target)], check=True)
    return target


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("stand_in") / "libfa_npu_kernels.so")


def called(
    api: int, folder: Path, kernels: Path | None, dtype: str = "float16", **variables: str
) -> str:
    """What a call prints when `kernels` is the kernel object of a copy of the package."""
    package = Path(str(wheels(api).module.__file__)).parent
    copy = folder / package.name
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("_npu_kernels", "__pycache__"))
    if kernels is not None:
        (copy / "_npu_kernels").mkdir()
        shutil.copy(kernels, copy / "_npu_kernels" / "libfa_npu_kernels.so")
    environment = os.environ | {"PYTHONPATH": str(folder)} | variables
    code = CALL.format(name=MODULES[api], dtype=dtype)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    return done.stdout + done.stderr


def test_what_the_object_is_told(api: int, tmp_path: Path, stand_in: Path) -> None:
    told, end = called(api, tmp_path, stand_in, STAND_IN_PRINTS="1").splitlines()
    kernel, cores, args_bytes, batch, buffers = told.split()
    assert (kernel, cores, batch, end) == ("stand_in", "6", "3", "done")
    assert int(args_bytes) % 8 == 0
    assert int(buffers) == 4  # q, k and v are one; out, lse, workspace


def test_the_cores_of_the_device(api: int, tmp_path: Path, stand_in: Path) -> None:
    told = called(api, tmp_path, stand_in, STAND_IN_PRINTS="1", STAND_IN_CORES="4")
    assert told.split()[1] == "4"


def test_a_launch_that_fails(api: int, tmp_path: Path, stand_in: Path) -> None:
    for outcome, error in ((1, "InvalidArgument"), (2, "InternalError"), (3, "InternalError")):
        folder = tmp_path / str(outcome)
        text = called(api, folder, stand_in, STAND_IN_OUTCOME=str(outcome))
        start = f"{error} attention forward (simulator kernel stand_in on 6 cores): "
        assert text == start + "the stand-in says no\n"


@pytest.mark.parametrize("variable", ["STAND_IN_ABI", "STAND_IN_ARGS"])
def test_an_object_of_another_build(
    api: int, tmp_path: Path, stand_in: Path, variable: str
) -> None:
    text = called(api, tmp_path, stand_in, **{variable: "1"})
    assert text.startswith("BackendUnavailable ")
    assert "belongs to another build" in text


def test_an_object_without_the_symbol(api: int, tmp_path: Path) -> None:
    other = compiled(tmp_path / "other.so", "-DSTAND_IN_SYMBOL=something_else")
    assert "exports no fa_npu_kernel_object" in called(api, tmp_path / "copy", other)


def test_a_file_that_is_no_library(api: int, tmp_path: Path) -> None:
    text = called(api, tmp_path / "copy", SOURCE)
    assert text.startswith("BackendUnavailable ")
    assert "the kernel object does not load" in text


def test_no_object(api: int, tmp_path: Path) -> None:
    text = called(api, tmp_path, None)
    assert text.startswith("BackendUnavailable ")
    assert "this build has no NPU kernels" in text


def test_an_object_without_a_kernel_for_the_call(api: int, tmp_path: Path, stand_in: Path) -> None:
    text = called(api, tmp_path, stand_in, dtype="bfloat16")
    assert text.startswith("NotSupported q: got bfloat16 with head dims 16 and 16, for which this")


def test_kernels_of_a_device_do_not_get_host_memory(
    api: int, tmp_path: Path, stand_in: Path
) -> None:
    text = called(api, tmp_path, stand_in, STAND_IN_TOOLCHAIN="bisheng")
    assert text.startswith("BackendUnavailable ")
    assert "the kernels of this build are for a device" in text
