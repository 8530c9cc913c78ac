"""Wheels with kernels by CANN's compiler: the whole build, with a stand-in for that compiler.

The stand-in (stand_in_cann/) insists on the options that CANN documents and compiles for the
simulator, so what it builds runs. What only CANN can tell is listed in docs/npu-bringup.md.
"""

from __future__ import annotations

import ctypes
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from builds import PACKAGES, ROOT, Built, core_events, environment, finish_wheel, run, start_wheel
from cann import stand_in_toolkit
from kernel_object import KernelObject
from npu.forward_case import Case, Problem, build
from npu.kernel_args import CombineArgs
from npu.oracle import disagreements

KERNELS = ROOT / "core_kernels/src/npu/kernels"
LIBRARY = "_npu_kernels/libfa_npu_kernels.so"
ENTRY = re.compile(r"^FA_\w+_KERNEL\((\w+),", re.MULTILINE)


def catlass_include() -> Path:
    found: Path | None = runpy.run_path(str(ROOT / "third_party/catlass.py"))["existing"]()
    assert found, "run `python third_party/catlass.py` first"
    return found


@pytest.fixture(scope="session")
def simulator() -> Path:
    library = Path(os.environ.get("ASCSIM_BUILD", ROOT / "build/sim")).resolve() / "libascsim.so"
    assert library.exists(), "run `./dev packaging`, which builds the simulator, or `./dev sim`"
    return library


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory, simulator: Path) -> Path:
    return stand_in_toolkit(tmp_path_factory.mktemp("cann") / "8.5.0", "8.5.0", simulator)


@pytest.fixture(scope="session")
def npu_wheels(
    tmp_path_factory: pytest.TempPathFactory, sdists: dict[str, Built], toolkit: Path
) -> dict[str, Built]:
    """Both wheels from their sdists, at the same moment."""
    cache = tmp_path_factory.mktemp("cache")
    variables = {
        "FA_NPU_TOOLCHAIN": "bisheng",
        "ASCEND_HOME_PATH": str(toolkit),
        "CATLASS_DIR": str(catlass_include().parent),
        "FLASH_ATTN_NPU_CMAKE_ARGS": "-DCMAKE_CXX_FLAGS_RELEASE=-O0",  # of what is not tested here
    }
    running = {}
    for package, sdist in sdists.items():
        target = tmp_path_factory.mktemp("wheel")
        running[package] = (start_wheel(sdist.path, target, cache, **variables), target)
    return {package: finish_wheel(*started) for package, started in running.items()}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, npu_wheels: dict[str, Built]) -> Path:
    """Both wheels unpacked."""
    folder = tmp_path_factory.mktemp("site")
    for wheel in npu_wheels.values():
        zipfile.ZipFile(wheel.path).extractall(folder)
    return folder


@pytest.fixture(scope="session")
def kernel_object(site: Path) -> KernelObject:
    return KernelObject(site / "flash_attn" / LIBRARY)


@pytest.fixture(scope="session")
def ascendcl(toolkit: Path, kernel_object: KernelObject) -> ctypes.CDLL:
    """The stand-in's runtime."""
    library = ctypes.CDLL(str(toolkit / "lib64/libascendcl.so"))
    library.stand_in_stream.restype = ctypes.c_void_p
    return library


def kernel_names() -> set[str]:
    return {name for path in KERNELS.glob("*.cpp") for name in ENTRY.findall(path.read_text())}


def test_the_whole_build(npu_wheels: dict[str, Built], toolkit: Path) -> None:
    logs = "".join(wheel.log for wheel in npu_wheels.values())
    assert f"NPU kernels: bisheng (FA_NPU_TOOLCHAIN, CANN 8.5.0 in {toolkit})" in logs
    assert sorted(core_events(logs)) == ["built", "reused"]
    # A command per kernel file, and those of the object itself.
    compiled = re.findall(r"\] bisheng (\w+)$", logs, re.MULTILINE)
    files = [path.stem for path in KERNELS.glob("*.cpp")]
    assert sorted(compiled) == sorted([*files, "kernel_table", "bisheng_object"])


@pytest.mark.parametrize("package", PACKAGES)
def test_one_kernel_object_in_each_wheel(package: str, npu_wheels: dict[str, Built]) -> None:
    inside = {name for name in npu_wheels[package].names if "_npu_kernels" in name}
    assert inside == {f"{PACKAGES[package]}/{LIBRARY}"}


def test_what_the_object_says(kernel_object: KernelObject, ascendcl: ctypes.CDLL) -> None:
    assert kernel_object.data.toolchain == b"bisheng"
    assert kernel_object.data.wants_buffers == 0
    assert set(kernel_object.entries) == kernel_names()
    assert kernel_object.data.cores() == 20


def test_without_a_device(
    kernel_object: KernelObject, ascendcl: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_NO_DEVICE", "1")
    assert kernel_object.data.cores() == 1


def attention(
    kernel_object: KernelObject, ascendcl: ctypes.CDLL, case: Case, *, hidden: str = ""
) -> tuple[Problem, str, str]:
    """Runs attention of one kernel; `hidden`: memory that the kernel must not know."""
    problem = build(case)
    name = f"fa_forward_{case.dtype}_d64"
    workspace = np.zeros(case.cores * kernel_object.entries[name].workspace_per_core, np.uint8)
    problem.args.workspace = workspace.ctypes.data
    memory = [("input", array, True) for array in problem.inputs]
    written = zip(("out", "lse", "workspace"), (*problem.outputs, workspace), strict=True)
    memory += [(what, array, False) for what, array in written]
    known = [(what, array, defined) for what, array, defined in memory if what != hidden]
    for what, array, defined in known:
        ascendcl.stand_in_add_memory(
            what.encode(), ctypes.c_void_p(array.ctypes.data), ctypes.c_int64(array.nbytes), defined
        )
    outcome, message = kernel_object.launch(
        name, case.cores, problem.args, ascendcl.stand_in_stream()
    )
    for _, array, _ in known:
        ascendcl.stand_in_remove_memory(ctypes.c_void_p(array.ctypes.data))
    return problem, outcome, message


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_attention(kernel_object: KernelObject, ascendcl: ctypes.CDLL, dtype: str) -> None:
    case = Case(dtype=dtype, q_lengths=(70, 9), kv_lengths=(300, 40), window=(-1, 0), q_heads=4,
                kv_heads=2, cores=2)  # fmt: skip
    problem, outcome, message = attention(kernel_object, ascendcl, case)
    assert (outcome, message) == ("launched", "")
    assert disagreements(problem) == []


def test_what_goes_wrong_on_the_device(kernel_object: KernelObject, ascendcl: ctypes.CDLL) -> None:
    """The error that a start leaves behind is the launch's; the next launch has none."""
    _, outcome, message = attention(kernel_object, ascendcl, Case(), hidden="lse")
    assert outcome == "failed"
    assert message.startswith("ACL error 507000: ")
    assert "out of bounds" in message or "no buffer" in message
    assert attention(kernel_object, ascendcl, Case())[1:] == ("launched", "")


def test_requests_that_are_wrong(kernel_object: KernelObject, ascendcl: ctypes.CDLL) -> None:
    args, stream = build(Case()).args, ascendcl.stand_in_stream()
    kernel = "fa_forward_fp16_d64"
    for request, reason in (
        (("no_such_kernel", 1, args, stream), "this kernel object has no such kernel"),
        ((kernel, 1, CombineArgs(), stream), "bytes are not the size of its arguments"),
        ((kernel, 1, args, None), "no stream given"),
        ((kernel, 1, args, 8), "ACL error 507000: no such stream"),
        ((kernel, 25, args, stream), "block_dim 25, allowed 1 to 24"),
    ):
        outcome, message = kernel_object.launch(*request)
        assert outcome == "failed"
        assert reason in message


@pytest.mark.parametrize("package", PACKAGES)
def test_in_python(package: str, site: Path) -> None:
    """The wheel imports and computes without an NPU, and says what its kernels are for."""
    top = PACKAGES[package]
    code = (
        f"import torch, {top} as m\n"
        f"from {top}._common.info import report\n"
        "x = torch.ones(1, 4, 2, 16, dtype=torch.float16)\n"
        "try: m.flash_attn_func(x, x, x); print('done')\n"
        "except m.FlashAttnError as error: print(type(error).__name__, error)\n"
        "print(report())"
    )
    refusal = "the kernels of this build are for a device"
    for back_end, answer in (("auto", "done"), ("npu", refusal)):
        env = environment(site, PYTHONPATH=str(site), FLASH_ATTN_NPU_BACKEND=back_end)
        done = run(sys.executable, "-c", code, env=env)
        assert answer in done.stdout
        assert "bisheng" in done.stdout


# ---------------------------------------------------------------- builds that have to fail


def core_copy(folder: Path, kernels: tuple[str, ...] = ("append_fp16",)) -> Path:
    """The core with these kernel files, and a table of them."""
    core = folder / "core_kernels"
    shutil.copytree(ROOT / "core_kernels", core, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (core / "src/npu/kernels").glob("*.cpp"):
        if path.stem not in kernels:
            path.unlink()
    table = core / "src/npu/object/kernel_list.h"
    lines = [
        line
        for line in table.read_text().splitlines()
        if not line.startswith("  X(") or any(f"(fa_{name}," in line for name in kernels)
    ]
    table.write_text("\n".join(lines) + "\n\n")
    return core


def object_build(core: Path, folder: Path, toolkit: Path) -> subprocess.CompletedProcess[str]:
    """Builds the kernel object alone."""
    env = environment(folder, ASCEND_HOME_PATH=str(toolkit))
    configure = ("cmake", "-S", core, "-B", folder, "-G", "Ninja", "-DFA_NPU_TOOLCHAIN=bisheng")
    done = run(*configure, f"-DCATLASS_INCLUDE={catlass_include()}", env=env)
    if done.returncode == 0:
        done = run("cmake", "--build", folder, "--target", "fa_npu_kernels", env=env)
    return done


@pytest.fixture(scope="session")
def toolkit_nine(tmp_path_factory: pytest.TempPathFactory, simulator: Path) -> Path:
    return stand_in_toolkit(tmp_path_factory.mktemp("cann") / "9.0.0", "9.0.0", simulator)


def test_the_object_under_cann_nine(toolkit_nine: Path, tmp_path: Path) -> None:
    done = object_build(core_copy(tmp_path), tmp_path / "build", toolkit_nine)
    assert done.returncode == 0, done.stdout
    (library,) = (tmp_path / "build").rglob("libfa_npu_kernels.so")
    assert set(KernelObject(library).entries) == {"fa_append_fp16"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("(device -x asc ", "(device ", "options for a device, and -x asc is missing"),
        ("(device -x asc --npu-arch=dav-2201", "(device -x asc", "--npu-arch=dav-2201 is missing"),
        ("dav-2201 -D", "dav-3510 -D", "unknown argument: --npu-arch=dav-3510"),
        ("-fPIC -I", "-I", "a library needs -fPIC"),
        ("GREATER_EQUAL 9)", "GREATER_EQUAL 10)", "--cce-auto-infer-kernel-type=false is missing"),
        ("-shared", "-shared -x asc", "-x turns objects into sources"),
        ("${FA_BISHENG} --npu-arch=dav-2201 -shared", "${FA_BISHENG} -shared", "no device to link"),
    ],
)
def test_options_that_are_wrong(
    toolkit_nine: Path, tmp_path: Path, old: str, new: str, reason: str
) -> None:
    core = core_copy(tmp_path)
    script = core / "src/npu/object/bisheng.cmake"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    done = object_build(core, tmp_path / "build", toolkit_nine)
    assert done.returncode != 0
    assert reason in done.stdout


def test_the_option_of_nine_is_unknown_before(toolkit: Path, tmp_path: Path) -> None:
    core = core_copy(tmp_path)
    script = core / "src/npu/object/bisheng.cmake"
    script.write_text(script.read_text().replace("GREATER_EQUAL 9)", "GREATER_EQUAL 8)"))
    done = object_build(core, tmp_path / "build", toolkit)
    assert "unknown argument: --cce-auto-infer-kernel-type=false" in done.stdout


def test_a_kernel_that_nothing_defines(toolkit: Path, tmp_path: Path) -> None:
    core = core_copy(tmp_path, ("append_fp16", "append_bf16"))
    (core / "src/npu/kernels/append_bf16.cpp").unlink()
    done = object_build(core, tmp_path / "build", toolkit)
    assert done.returncode != 0
    assert re.search("undefined reference to .fa_start_fa_append_bf16", done.stdout)


def test_an_edited_header_compiles_its_kernels_again(toolkit: Path, tmp_path: Path) -> None:
    core, folder = core_copy(tmp_path), tmp_path / "build"
    assert object_build(core, folder, toolkit).returncode == 0
    assert "bisheng append_fp16" not in object_build(core, folder, toolkit).stdout
    (core / "src/npu/kernels/rotator.h").touch()
    log = object_build(core, folder, toolkit).stdout
    assert "bisheng append_fp16" in log
    assert "bisheng kernel_table" not in log
