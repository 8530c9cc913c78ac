"""A stand-in for CANN's compiler `bisheng`: the code of a device becomes code for the simulator.

It takes the options that the build may pass and refuses all others and missing ones, so a build
that passes here named its options as the real compiler's documents do. As there, a source is
compiled three times, for cube cores, for vector cores and for the host, and becomes one object
file; a kernel says `__global__`, and starts by `name<<<cores, nullptr, stream>>>(arguments)`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

TOOLKIT = Path(__file__).resolve().parents[1]
SETTINGS = json.loads((TOOLKIT / "stand_in.json").read_text())
KINDS = {"stand_in_mix": "kMix", "stand_in_vector": "kVector"}
PASSES = {"aic": "__DAV_C220_CUBE__", "aiv": "__DAV_C220_VEC__", "host": "__DAV_C220_VEC__"}
ENTRY = re.compile(r"stand_in_global\s+((?:stand_in_\w+\s+)*)void\s+(\w+)\(")
START = re.compile(r"\b(\w+)\s*<<\s*<([^;>]*)>>\s*>\s*\(")
# What a compile may say besides -I, and what it has to.
ARCH = "--npu-arch=dav-2201"
NO_INFERENCE = "--cce-auto-infer-kernel-type=false"
WITH_VALUE = ("-x", "-o", "-c", "-MT", "-MF")
FLAGS = {"-std=c++17", "-O2", "-fPIC", "-MD", "-DCATLASS_ARCH=2201", ARCH, NO_INFERENCE}


def refuse(reason: str) -> NoReturn:
    sys.exit(f"bisheng (stand-in, CANN {SETTINGS['version']}): {reason}")


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options with a value, and the rest."""
    values: dict[str, str] = {}
    rest = []
    left = iter(arguments)
    for argument in left:
        if argument in WITH_VALUE:
            values[argument] = next(left, "")
        else:
            rest.append(argument)
    return values, rest


def check_compile(values: dict[str, str], rest: list[str]) -> None:
    unknown = [flag for flag in rest if flag not in FLAGS and not flag.startswith("-I")]
    if unknown:
        refuse(f"unknown argument: {unknown[0]}")
    if not {"-std=c++17", "-fPIC"} <= set(rest):
        refuse("a library needs -fPIC, the kernels -std=c++17")
    if "-x" not in values:
        if {ARCH, NO_INFERENCE} & set(rest):
            refuse("options for a device, and -x asc is missing")
        return
    if values["-x"] != "asc":
        refuse(f"language not recognized: {values['-x']}")
    if ARCH not in rest:
        refuse(f"no device to compile for: {ARCH} is missing")
    from_nine = int(SETTINGS["version"].split(".")[0]) >= 9
    if from_nine and NO_INFERENCE not in rest:
        refuse(f"{NO_INFERENCE} is missing: kinds of kernels would be inferred")
    if not from_nine and NO_INFERENCE in rest:
        refuse(f"unknown argument: {NO_INFERENCE}")


def translated(text: str, core: str) -> str:
    """The preprocessed source in plain C++: kernels for a device, their starts for the host."""
    registered = []
    for words, name in ENTRY.findall(text):
        kinds = [KINDS[word] for word in words.split()]
        if len(kinds) != 1:
            refuse(f"kernel {name} does not name the cores it runs on")
        registered.append(
            f"static const AscendC::detail::Registered<&{name}> stand_in_registered_{name}"
            f'("{name}", ascsim::KernelKind::{kinds[0]});\n'
        )
    text = ENTRY.sub(r"void \2(", text)
    if core != "host":
        return START.sub("stand_in_no_start(", text) + "".join(registered)
    return START.sub(r'stand_in_start("\1", \2, ', text)


def compile_pass(
    core: str, source: Path, folder: Path, flags: list[str], depfile: list[str]
) -> Path:
    plain, done = folder / f"{core}.ii", folder / f"{core}.o"
    simulator = SETTINGS["simulator"]
    defines = [f"-D{PASSES[core]}", "-D__NPU_ARCH__=2201", f"-I{simulator}/include"]
    run("g++", *flags, *depfile, *defines, "-include", TOOLKIT / "stand_in.h", "-E", source, "-o",
        plain)  # fmt: skip
    plain.write_text(translated(plain.read_text(), core))
    run("g++", "-std=c++17", "-fPIC", "-fno-gnu-unique", "-O0" if core == "host" else "-O1", "-c",
        plain, "-o", done)  # fmt: skip
    if core == "host":
        return done
    # The passes define the same names: those of the devices become theirs alone.
    alone, local = folder / f"{core}-alone.o", folder / f"{core}-local.o"
    run("ld", "-r", "--force-group-allocation", done, "-o", alone)
    run("objcopy", "--keep-global-symbol=none", alone, local)
    return local


def compile_device(values: dict[str, str], rest: list[str]) -> None:
    flags = [flag for flag in rest if flag not in (ARCH, NO_INFERENCE, "-MD", "-O2")]
    depfile = ["-MD", "-MT", values["-MT"], "-MF", values["-MF"]] if "-MD" in rest else []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(values["-c"])
        passes = [
            compile_pass(core, source, Path(folder), flags, depfile if core == "host" else [])
            for core in PASSES
        ]
        run("ld", "-r", *passes, "-o", values["-o"])


def link(values: dict[str, str], rest: list[str]) -> None:
    if ARCH not in rest:
        refuse(f"no device to link for: {ARCH} is missing")
    if "-x" in values:
        refuse("-x turns objects into sources")
    library = Path(SETTINGS["library"])
    given = [part for part in rest if part != ARCH]
    run("g++", *given, library, f"-Wl,-rpath,{library.parent}:{TOOLKIT / 'lib64'}", "-o",
        values["-o"])  # fmt: skip


def compile_host(values: dict[str, str], rest: list[str]) -> None:
    depfile = ["-MT", values["-MT"], "-MF", values["-MF"]] if "-MD" in rest else []
    run("g++", *rest, *depfile, "-c", values["-c"], "-o", values["-o"])


def main() -> None:
    values, rest = options(sys.argv[1:])
    if "-o" not in values:
        refuse("no -o")
    if "-c" not in values:
        link(values, rest)
        return
    check_compile(values, rest)
    (compile_device if "-x" in values else compile_host)(values, rest)


main()
