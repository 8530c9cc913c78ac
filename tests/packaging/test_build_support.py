"""The build machinery on a toy core: what is compiled again, and when a build is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builds import ROOT, build_wheel, compiled, core_events, environment, module_events, run

FIRST = "core_kernels/src/first.cpp"
BUILD_CORE = """
from build_support.core_cache import installed_core
installed_core(keep_objects={keep})
"""


def python_in(checkout: Path, code: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs Python where `build_support` can be imported."""
    return run(sys.executable, "-c", code, cwd=checkout / "core_kernels", env=env)


def build_core(checkout: Path, cache: Path, **variables: str) -> str:
    """Builds the checkout's core as a wheel build does; what it printed."""
    done = python_in(checkout, BUILD_CORE.format(keep=True), environment(cache, **variables))
    assert done.returncode == 0, done.stdout
    return done.stdout


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_only_the_touched_file_is_compiled(toy_checkout: Path, tmp_path: Path) -> None:
    assert sorted(compiled(build_core(toy_checkout, tmp_path))) == ["first.cpp", "second.cpp"]
    assert core_events(build_core(toy_checkout, tmp_path)) == ["reused"]
    edit(toy_checkout / FIRST, "return 1", "return 3")
    assert compiled(build_core(toy_checkout, tmp_path)) == ["first.cpp"]


def test_going_back_needs_no_compiler(toy_checkout: Path, tmp_path: Path) -> None:
    build_core(toy_checkout, tmp_path)
    edit(toy_checkout / FIRST, "return 1", "return 3")
    build_core(toy_checkout, tmp_path)
    edit(toy_checkout / FIRST, "return 3", "return 1")
    log = build_core(toy_checkout, tmp_path)
    assert core_events(log) == ["reused"]
    assert not compiled(log)


def test_an_older_file_is_compiled(toy_checkout: Path, tmp_path: Path) -> None:
    """Ninja alone would take the object of the newer text for up to date."""
    build_core(toy_checkout, tmp_path)
    edit(toy_checkout / FIRST, "return 1", "return 4")
    past = time.time() - 3600
    os.utime(toy_checkout / FIRST, (past, past))
    assert "first.cpp" in compiled(build_core(toy_checkout, tmp_path))


def test_flags_are_part_of_the_key(toy_checkout: Path, tmp_path: Path) -> None:
    build_core(toy_checkout, tmp_path)
    assert core_events(build_core(toy_checkout, tmp_path, CXXFLAGS="-O1")) == ["built"]
    more = {"FLASH_ATTN_NPU_CMAKE_ARGS": "-DCMAKE_CXX_FLAGS=-DX=1"}
    assert core_events(build_core(toy_checkout, tmp_path, **more)) == ["built"]
    assert core_events(build_core(toy_checkout, tmp_path)) == ["reused"]


def test_unused_cores_are_removed(toy_checkout: Path, tmp_path: Path) -> None:
    old, recent = tmp_path / "core-old", tmp_path / "core-recent"
    old.mkdir()
    recent.mkdir()
    past = time.time() - 40 * 24 * 3600
    os.utime(old, (past, past))
    build_core(toy_checkout, tmp_path)
    assert not old.exists()
    assert recent.exists()


def editable_install(checkout: Path, cache: Path, site: Path) -> str:
    """Installs the v2 package editable into the folder `site`; what the build printed."""
    pip = (sys.executable, "-m", "pip", "install", "-v", "--no-build-isolation", "--no-deps")
    package = checkout / "packages/flash-attn-npu-v2"
    done = run(*pip, "--target", site, "-e", package, env=environment(cache))
    assert done.returncode == 0, done.stdout
    return done.stdout


def answer(checkout: Path) -> str:
    """What the module beside the sources computes."""
    folder = checkout / "packages/flash-attn-npu-v2/src/flash_attn"
    return run(sys.executable, "-c", "import _C; print(_C.ANSWER)", cwd=folder).stdout.strip()


def test_editable_install(toy_checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    editable_install(toy_checkout, cache, tmp_path / "site")
    assert answer(toy_checkout) == "12"
    edit(toy_checkout / FIRST, "return 1", "return 3")
    log = editable_install(toy_checkout, cache, tmp_path / "site")
    assert compiled(log) == ["first.cpp"]
    assert answer(toy_checkout) == "32"
    edit(toy_checkout / FIRST, "return 3", "return 1")
    assert not compiled(editable_install(toy_checkout, cache, tmp_path / "site"))
    assert answer(toy_checkout) == "12"


def test_an_editable_install_leaves_nothing_to_commit(toy_checkout: Path, tmp_path: Path) -> None:
    editable_install(toy_checkout, tmp_path / "cache", tmp_path / "site")
    assert run("git", "init", "-q", cwd=toy_checkout).returncode == 0
    listed = run("git", "ls-files", "-o", "--exclude-standard", cwd=toy_checkout).stdout
    assert "module.map" in listed
    assert ".so" not in listed


def test_a_changed_header_reaches_the_bindings(toy_checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    editable_install(toy_checkout, cache, tmp_path / "site")
    header = toy_checkout / "core_kernels/include/fa/toy.h"
    edit(header, "int second();", "inline int second() { return 7; }")
    edit(toy_checkout / "core_kernels/src/second.cpp", "int second() { return 2; }", "")
    editable_install(toy_checkout, cache, tmp_path / "site")
    assert answer(toy_checkout) == "17"
    edit(header, "inline int second() { return 7; }", "int second();")
    edit(toy_checkout / "core_kernels/src/second.cpp", "fa {", "fa {\nint second() { return 2; }")
    editable_install(toy_checkout, cache, tmp_path / "site")
    assert answer(toy_checkout) == "12"


def test_changed_bindings_are_another_module(toy_checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (bindings,) = (toy_checkout / "packages/common/bindings").glob("*.cpp")
    text = bindings.read_text()
    seen = []
    for body in (text, text + "// changed\n", text):
        bindings.write_text(body)
        seen += module_events(editable_install(toy_checkout, cache, tmp_path / "site"))
    assert seen == ["built", "built", "reused"]


def test_a_leftover_editable_module_stays_out_of_wheels(toy_checkout: Path, tmp_path: Path) -> None:
    package = toy_checkout / "packages/flash-attn-npu-v3"
    (package / "src/flash_attn_interface/_C.leftover.so").write_text("not a module")
    wheel = build_wheel(package, tmp_path / "wheel", tmp_path / "cache")
    assert not [name for name in wheel.names if "leftover" in name]
    assert len([name for name in wheel.names if name.endswith(".so")]) == 1


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"FA_NPU_TOOLCHAIN": "simulator"},
            "FA_NPU_TOOLCHAIN=simulator: an sdist does not carry the simulator",
        ),
        ({"FA_NPU_TOOLCHAIN": "gcc"}, "got 'gcc', expected one of none, bisheng, simulator"),
        ({"CXX": "no-such-compiler"}, "C++ compiler 'no-such-compiler' not found"),
        (
            {"FLASH_ATTN_NPU_CMAKE_ARGS": "-DCMAKE_CXX_FLAGS=-no-such-flag"},
            "build failed (exit status",
        ),
    ],
)
def test_refusals(
    toy_checkout: Path, tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    env = environment(tmp_path / "cache", **variables)
    done = python_in(toy_checkout, BUILD_CORE.format(keep=False), env)
    assert done.returncode == 1
    assert message in done.stdout
    assert not list((tmp_path / "cache").glob("core-*/include"))


@pytest.mark.parametrize(
    ("sdist", "way"),
    [(False, "run `python third_party/catlass.py` first"), (True, "set CATLASS_DIR to a checkout")],
)
def test_kernels_need_headers_of_catlass(
    toy_checkout: Path, tmp_path: Path, sdist: bool, way: str
) -> None:
    """A build downloads nothing; the message says how to get them."""
    (toy_checkout / "simulator").mkdir()
    if not sdist:
        (toy_checkout / "third_party").mkdir()
        shutil.copy(ROOT / "third_party/catlass.py", toy_checkout / "third_party")
    env = environment(tmp_path / "cache", FA_NPU_TOOLCHAIN="simulator")
    done = python_in(toy_checkout, BUILD_CORE.format(keep=False), env)
    assert done.returncode == 1
    assert f"CATLASS headers not found: {way}" in done.stdout


def test_the_toolchain_is_part_of_what_names_a_core(toy_checkout: Path, tmp_path: Path) -> None:
    """So are the simulator's sources, if kernels are built for it, and CATLASS's."""
    (toy_checkout / "simulator").mkdir()
    (toy_checkout / "third_party").mkdir()
    shutil.copy(ROOT / "third_party/catlass.py", toy_checkout / "third_party")
    header = tmp_path / "catlass/include/catlass/catlass.hpp"
    header.parent.mkdir(parents=True)
    names: list[str] = []

    def name(**variables: str) -> None:
        env = environment(tmp_path / "cache", CATLASS_DIR=str(tmp_path / "catlass"), **variables)
        code = "from build_support.core_cache import core_key; print(core_key())"
        names.append(python_in(toy_checkout, code, env).stdout)

    header.write_text("one")
    name(FA_NPU_TOOLCHAIN="none")
    name(FA_NPU_TOOLCHAIN="simulator")
    header.write_text("two")
    name(FA_NPU_TOOLCHAIN="none")
    name(FA_NPU_TOOLCHAIN="simulator")
    (toy_checkout / "simulator/machine.cpp").write_text("")
    name(FA_NPU_TOOLCHAIN="none")
    name(FA_NPU_TOOLCHAIN="simulator")
    assert names[0] == names[2] == names[4]
    assert len(set(names)) == 4, names


def test_missing_tools_become_requirements(toy_checkout: Path, tmp_path: Path) -> None:
    code = "from build_support.cmake import missing_tools; print(missing_tools())"
    done = python_in(toy_checkout, code, environment(tmp_path, PATH=str(tmp_path)))
    assert done.stdout.strip() == "['cmake>=3.18', 'ninja']"
