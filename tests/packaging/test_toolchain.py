"""Which compiler the NPU kernels of a wheel come from, and why another one does not do."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from builds import environment, run
from cann import empty_toolkit

CHOSEN = """
from build_support.toolchain import chosen
print("{} ({})".format(*chosen()))
"""


def chosen(checkout: Path, folder: Path, **variables: str) -> str:
    """What a build would use, or why there is none."""
    env = environment(folder / "cache", **variables)
    return run(sys.executable, "-c", CHOSEN, cwd=checkout / "core_kernels", env=env).stdout


@pytest.mark.parametrize("version", ["8.5.0", "8.5.1.alpha002", "9.0.0", "10.1"])
def test_versions_that_do(toy_checkout: Path, tmp_path: Path, version: str) -> None:
    home = empty_toolkit(tmp_path / "cann", version)
    short = version.partition(".alpha")[0]
    for variables, why in (
        ({"FA_NPU_TOOLCHAIN": "bisheng"}, f"FA_NPU_TOOLCHAIN, CANN {short} in {home}"),
        ({}, f"CANN {short} in {home}; FA_NPU_TOOLCHAIN=none builds without it"),
    ):
        text = chosen(toy_checkout, tmp_path, ASCEND_HOME_PATH=str(home), **variables)
        assert text == f"bisheng ({why})\n"


@pytest.mark.parametrize(
    "place",
    [
        "bin/bisheng",
        "x86_64-linux/ccec_compiler/bin/bisheng",
        "aarch64-linux/ccec_compiler/bin/bisheng",
        "compiler/ccec_compiler/bin/bisheng",
        "tools/bisheng_compiler/bin/bisheng",
    ],
)
def test_places_of_the_compiler(toy_checkout: Path, tmp_path: Path, place: str) -> None:
    home = empty_toolkit(tmp_path / "cann", compiler=place)
    text = chosen(toy_checkout, tmp_path, ASCEND_HOME_PATH=str(home))
    assert text.startswith(f"bisheng (CANN 8.5.0 in {home};")


def test_order_of_the_variables(toy_checkout: Path, tmp_path: Path) -> None:
    """The first that names a folder, then the compiler on PATH."""
    homes = {name: empty_toolkit(tmp_path / name) for name in ("first", "second", "path")}
    path = f"{homes['path'] / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for home, toolkit, used in (
        (homes["first"], homes["second"], "first"),
        (tmp_path / "nowhere", homes["second"], "second"),
        ("", homes["second"], "second"),
        ("", "", "path"),
    ):
        variables = {"ASCEND_HOME_PATH": str(home), "ASCEND_TOOLKIT_HOME": str(toolkit)}
        text = chosen(toy_checkout, tmp_path, PATH=path, **variables)
        assert text.startswith(f"bisheng (CANN 8.5.0 in {homes[used]};")


def test_a_version_told_by_the_compiler_package(toy_checkout: Path, tmp_path: Path) -> None:
    home = empty_toolkit(tmp_path / "cann", None)
    (home / "compiler").mkdir()
    (home / "compiler/version.info").write_text("Version=8.5.0\nversion_dir=8.5.0\n")
    text = chosen(toy_checkout, tmp_path, ASCEND_HOME_PATH=str(home))
    assert text.startswith(f"bisheng (CANN 8.5.0 in {home};")


def problem(name: str, folder: Path) -> tuple[dict[str, str], str]:
    """A machine that cannot compile kernels, and the sentence about it."""
    home, nowhere = folder / "cann", folder / "nowhere"
    variables = {"ASCEND_HOME_PATH": str(home)}
    here = f"{home} \\(ASCEND_HOME_PATH\\)"
    match name:
        case "nothing":
            return {}, r"no CANN on this machine.*"
        case "no folder":
            wrong = {"ASCEND_HOME_PATH": str(nowhere), "ASCEND_TOOLKIT_HOME": f"{nowhere}2"}
            given = f"ASCEND_HOME_PATH={nowhere}, ASCEND_TOOLKIT_HOME={nowhere}2"
            return wrong, f"{given}: no such folder"
        case "no version":
            empty_toolkit(home, None)
            return variables, f"{here}: no version of CANN in .*ascend_toolkit_install.info.*"
        case "no compiler":
            empty_toolkit(home, compiler=None)
            return variables, f"CANN 8.5.0 in {here}: no compiler bisheng in bin, .*"
        case "stray compiler":
            empty_toolkit(home, None)
            path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
            compiler = f"{home}/bin/bisheng"
            return {"PATH": path}, f"{compiler}: none of its folders holds a version of CANN"
    empty_toolkit(home, name)
    short = ".".join(name.split(".")[:2])
    return variables, f"CANN {short}.* in {here}: CANN 8.5 or newer is needed"


PROBLEMS = (
    *("nothing", "no folder", "no version", "no compiler", "stray compiler"),
    *("8.3.0", "8.2.RC1", "7.6.0"),
)


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(toy_checkout: Path, tmp_path: Path, name: str) -> None:
    """Asked for, it is an error; else the build goes without kernels and says why."""
    variables, sentence = problem(name, tmp_path)
    text = chosen(toy_checkout, tmp_path, FA_NPU_TOOLCHAIN="bisheng", **variables)
    refusal = f"FA_NPU_TOOLCHAIN=bisheng: {sentence}. FA_NPU_TOOLCHAIN=none builds without it."
    assert re.fullmatch(refusal, text.strip()), text
    text = chosen(toy_checkout, tmp_path, **variables)
    assert re.fullmatch(rf"none \({sentence}\)", text.strip()), text
    assert chosen(toy_checkout, tmp_path, FA_NPU_TOOLCHAIN="none", **variables) == (
        "none (FA_NPU_TOOLCHAIN)\n"
    )


def test_the_build_refuses_too(tmp_path: Path) -> None:
    """CMake finds CANN by itself, and does not go on without."""
    source = Path(__file__).resolve().parents[2] / "core_kernels"
    home = empty_toolkit(tmp_path / "cann", "8.3.0")
    env = environment(tmp_path, ASCEND_HOME_PATH=str(home))
    for name, reason in (
        ("bisheng", "FA_NPU_TOOLCHAIN=bisheng: CANN 8.3.0 in"),
        ("gcc", "FA_NPU_TOOLCHAIN: got gcc, expected none, bisheng or simulator"),
    ):
        options = ("-G", "Ninja", f"-DFA_NPU_TOOLCHAIN={name}")
        done = run("cmake", "-S", source, "-B", tmp_path / name, *options, env=env)
        assert done.returncode != 0
        assert reason in " ".join(done.stdout.split())


def test_cann_is_part_of_what_names_a_core(toy_checkout: Path, tmp_path: Path) -> None:
    """Another compiler or version: another core."""
    header = tmp_path / "catlass/include/catlass/catlass.hpp"
    header.parent.mkdir(parents=True)
    header.touch()
    names: set[str] = set()
    code = "from build_support.core_cache import core_key; print(core_key())"
    for version, place in (("8.5.0", "bin/bisheng"), ("8.5.1", "bin/bisheng"),
                           ("8.5.0", "compiler/ccec_compiler/bin/bisheng")):  # fmt: skip
        home = empty_toolkit(tmp_path / f"{len(names)}", version, compiler=place)
        (tmp_path / "cann").unlink(missing_ok=True)
        (tmp_path / "cann").symlink_to(home)
        variables = {"ASCEND_HOME_PATH": str(tmp_path / "cann")}
        variables["CATLASS_DIR"] = str(tmp_path / "catlass")
        env = environment(tmp_path / "cache", **variables)
        done = run(sys.executable, "-c", code, cwd=toy_checkout / "core_kernels", env=env)
        assert done.returncode == 0, done.stdout
        names.add(done.stdout)
    assert len(names) == 3
