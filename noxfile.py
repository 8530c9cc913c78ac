"""Every command a developer types. `nox -l` lists them; `./dev` installs nox and calls it.

Tests never see the source tree: each session installs wheel files that were built once per Python
and kept below build/. torch is shared between sessions too, one folder per Python and version.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "core_kernels"))

from build_support import cmake, sources, toolchain  # noqa: E402

BUILD = ROOT / "build"
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")

# The torch that each Python is tested with.
TORCH = {"3.10": "2.9.0", "3.11": "2.13.0", "3.12": "2.9.0", "3.13": "2.9.0"}
# What the very same wheel files have to pass the smoke tests with, besides: the oldest torch, and
# one of each Python. What lies between those is asked for by name.
SMOKE_TORCH = {"3.10": ["2.1.0", "2.5.1"], "3.12": ["2.9.0"], "3.13": ["2.9.0"]}
USUAL_SMOKE = ("smoke-3.10(torch='2.1.0')", "smoke-3.13")
# The newest with a build for AArch64 that needs no CUDA and runs under qemu-user.
TORCH_AARCH64 = "2.9.1"
WHEELS = {"v2": "flash-attn-npu-v2", "v3": "flash-attn-npu-v3"}
# Pure Python: markers for clients that look for a distribution by its name.
COMPAT = "flash-attn-npu-compat"
IMPORTS = {"v2": "flash_attn", "v3": "flash_attn_interface"}
# The Python that runs nox, so one that is there. It also runs the tests that are marked `once`.
MAIN = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Pythons that are tested in full when no session is named; the others pass the smoke tests.
USUAL_PYTHONS = tuple(version for version in TORCH if version in {"3.10", "3.11", MAIN})
# Releases of torch_npu that both wheels are tested with on NPU tensors, over the simulated CANN
# runtime: with each Python the one of its usual torch, and one of the old ABI of std::string.
TORCH_NPU = {"3.10": ["2.9.0", "2.5.1.post1"], "3.11": ["2.13.0"]}
# The release that pretrained and random models are run with on NPU tensors.
TORCH_NPU_MODELS = "2.13.0"
NPU_TRANSFORMERS = "transformers==5.22.2"
NPU_MODEL_TESTS = ("test_transformers.py", "test_demo.py")
TORCH_NPU_COMPAT = (
    "2.1.0.post17",
    "2.5.1.post1",
    "2.6.0",
    "2.7.1",
    "2.8.0",
    "2.10.0",
    "2.11.0",
    "2.12.0",
)
# Most tests compute on one core or wait for processes that they start. An argument `-n 0` takes it
# back, for output (-s) and debuggers.
PARALLEL = ("-n", str(min(4, os.cpu_count() or 1)), "--dist=worksteal")
# What is not asked of one wheel under one torch: other sessions', and the other wheel's.
_FOLDERS = (
    "cann_runtime",
    "clients",
    "docs",
    "lint",
    "npu",
    "npu_device",
    "npu_host",
    "packaging",
    "simulator",
)
_OTHERS = tuple(f"--ignore=tests/{name}" for name in _FOLDERS)
# Versions of transformers and what is tested with each: the newest that takes a `kernels` which
# there is, so that both ways into it run; the newest; the last of the fourth generation, which
# ring-flash-attn needs.
CLIENTS = {
    "5.22.2": ("kernels==0.17.2",),
    "5.24.0": ("diffusers==0.42.1",),
    "4.57.6": ("ring-flash-attn==0.1.8", "xformers==0.0.35", "megatron-core==0.16.1"),
}
SUITES = {
    "v2": ("tests", *_OTHERS, "--ignore=tests/test_flash_attn_npu_v3.py"),
    # tests/unit is about the test support and needs no wheel: v2's session has it.
    "v3": ("tests", *_OTHERS, "--ignore=tests/test_flash_attn_npu.py", "--ignore=tests/unit"),
    "both": ("tests", *_OTHERS),
}


def _show_pyenv_interpreters() -> None:
    """Lets the shims of pyenv start every installed version, not just the selected one."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    chosen = [v for v in os.environ.get("PYENV_VERSION", "").split(":") if v]
    found = (path.name for path in root.glob("versions/3.*") if (path / "bin/python").exists())
    rest = sorted(found, key=lambda v: [int(n) for n in v.split(".") if n.isdigit()], reverse=True)
    if rest:
        os.environ["PYENV_VERSION"] = ":".join(dict.fromkeys([*chosen, *rest]))


def _sessions_are_named() -> bool:
    """Whether the command line (or NOXSESSION) asks for certain sessions."""
    flags = ("-s", "--session", "-k", "--keywords", "-t", "--tags", "-p", "--python", "-e")
    ours = sys.argv[1 : sys.argv.index("--") if "--" in sys.argv else None]
    return any(argument.startswith(flags) for argument in ours) or "NOXSESSION" in os.environ


_show_pyenv_interpreters()
os.environ.setdefault("FLASH_ATTN_NPU_CORE_CACHE", str(BUILD / "cache"))
nox.needs_version = ">=2025.2.9"
# pip and not uv: it reads the machine's pip configuration, where CPU builds of torch may come from.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
# Whoever asks for a session by name must not get a pass for a missing interpreter. Without a name
# the sessions whose interpreter exists run, and nox names the others.
nox.options.error_on_missing_interpreters = _sessions_are_named()
nox.options.sessions = [
    "lint",
    "types",
    "docs",
    "packaging",
    "sim",
    "npu",
    "torch-npu",
    *(f"test-{v}" for v in USUAL_PYTHONS),
    *USUAL_SMOKE,
]


# ---------------------------------------------------------------- environments


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(GROUPS, name)


def _python(session: nox.Session) -> str:
    """Version like 3.11 of the session's Python: its own or, if it asks for none, that of nox."""
    return str(session.python or MAIN)


def _files(*patterns: str) -> list[str]:
    """Files that are or would be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()


def _share_torch(session: nox.Session, version: str | None = None) -> None:
    """Gives the session torch and the test requirements from a folder that sessions share."""
    python = _python(session)
    version = version or TORCH[python]
    script = ROOT / "tests/packaging/torch_environment.py"
    folder = BUILD / "torch" / f"python{python}-torch{version}"
    complete = folder / f"complete-{sources.digest(script.read_text(), *_group('test'))}"
    if not complete.exists():
        session.log(f"installing torch {version} for Python {python}: about a minute")
        session.run("python", script, folder, version, *_group("test"))
        complete.touch()
    location = Path(session.virtualenv.location) / f"lib/python{python}/site-packages"
    (location / "shared_torch.pth").write_text(f"{folder}\n")
    session.run("python", "-c", "import torch; print('torch', torch.__version__)")


def _wheel(session: nox.Session, which: str, *options: str) -> Path:
    """The wheel file for the session's Python; built if its sources changed since the last time."""
    package = ROOT / "packages" / {**WHEELS, "compat": COMPAT}[which]
    trees = [ROOT / "core_kernels", ROOT / "packages/common", package]
    if toolchain.selected() == "simulator":
        trees.append(ROOT / "simulator")
    if toolchain.selected() != "none":
        trees.append(toolchain.catlass_include())
    hashes = (sources.file_hashes(tree, all_files=True) for tree in trees)
    stamp = sources.digest(cmake.configuration(), *hashes)
    kind = BUILD / "wheels" / f"python{_python(session)}-{toolchain.selected()}"
    folder = kind / f"{which}-{stamp}"
    if not folder.exists():
        session.log(f"building the {which} wheel")
        for old in kind.glob(f"{which}-*"):
            shutil.rmtree(old)
        unfinished = folder.with_name(f"unfinished-{folder.name}")
        command = ("python", "-m", "pip", "wheel", "--quiet", "--no-deps", *options)
        session.run(*command, "-w", unfinished, package)
        unfinished.rename(folder)
    (wheel,) = folder.glob("*.whl")
    session.log(f"{wheel.name} sha256 {hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    return wheel


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Environment variables that builds read, for the wheels that are built meanwhile."""
    before = {name: os.environ.pop(name, None) for name in variables}
    os.environ.update(variables)
    cmake.configuration.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        cmake.configuration.cache_clear()


def _install_wheels(session: nox.Session, *names: str) -> None:
    """Installs exactly these wheels, and checks that they are what gets imported."""
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", *WHEELS.values())
    session.install("--no-deps", *(str(_wheel(session, name)) for name in names))
    for name in names:
        code = (
            f"import pathlib, sys, sysconfig, {IMPORTS[name]} as module\n"
            "site = pathlib.Path(sysconfig.get_path('purelib'))\n"
            "sys.exit(site not in pathlib.Path(module.__file__).parents)"
        )
        session.run("python", "-c", code, silent=True)


def _pytest(session: nox.Session, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Runs pytest; fails when no test ran, also when all were skipped."""
    report = BUILD / "reports" / f"{session.name.replace(' ', '')}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    command = ("python", "-m", "pytest", *arguments, f"--junitxml={report}", *session.posargs)
    session.run(*command, env=env)
    suites = list(ET.parse(report).getroot().iter("testsuite"))
    if sum(int(suite.get("tests", 0)) - int(suite.get("skipped", 0)) for suite in suites) <= 0:
        session.error("no test ran")


def _simulated_cann(session: nox.Session) -> dict[str, str]:
    """Builds the simulated CANN runtime; the environment in which torch_npu finds it."""
    build = BUILD / "cann"
    python = Path(session.bin) / "python"
    configure = ("cmake", "-S", "simulator/cann_runtime", "-B", build, "-G", "Ninja")
    session.run(*configure, f"-DPython_EXECUTABLE={python}", external=True)
    session.run("cmake", "--build", build, external=True)
    libraries = str(build / "lib")
    return {"ASCSIM_CANN_LIB": libraries, "LD_LIBRARY_PATH": libraries}


# ---------------------------------------------------------------- build


@nox.session(python=list(TORCH))
def build(session: nox.Session) -> None:
    """Builds all wheels and sdists into dist/."""
    if toolchain.selected() == "simulator":
        session.error("wheels with simulated kernels are for development, never for dist/")
    target = ROOT / "dist"
    target.mkdir(exist_ok=True)
    for name in (*WHEELS, "compat"):
        shutil.copy2(_wheel(session, name), target)
    session.install("build")
    for package in (*WHEELS.values(), COMPAT):
        session.run("python", "-m", "build", "--sdist", "-o", target, ROOT / "packages" / package)


@nox.session(python=False)
def dev(session: nox.Session) -> None:
    """Makes .venv with torch and editable installs of both packages; again after edits of C++."""
    python = ROOT / ".venv/bin/python"
    if not python.exists():
        session.run(sys.executable, "-m", "venv", ROOT / ".venv", external=True)
    pip = (str(python), "-m", "pip", "install", "--quiet")
    tools = [*_group("native-build"), *cmake.missing_tools()]
    session.run(*pip, f"torch=={TORCH[MAIN]}", *_group("test"), *tools, external=True)
    for package in WHEELS.values():
        editable = ("--no-build-isolation", "--no-deps", "-e", f"packages/{package}")
        session.run(*pip, *editable, external=True)


# ---------------------------------------------------------------- test


def _less(python: str) -> tuple[str, ...]:
    """What need not be repeated: tests marked `once`, those of the test support, and most of the
    generated cases."""
    if python == MAIN:
        return ()
    return ("-m", "not once", "--ignore=tests/unit", "--cases=400")


def _device_environment(session: nox.Session, torch_npu: str) -> dict[str, str]:
    """Both wheels with simulated kernels, a real torch_npu, and the variables that it needs."""
    _share_torch(session, torch_npu.split(".post")[0])
    session.install("--no-deps", f"torch_npu=={torch_npu}", "pyyaml")
    session.install(*_group("catlass"), *cmake.missing_tools(), "ninja")
    session.run("python", "third_party/catlass.py", silent=True)
    with _environment(FA_NPU_TOOLCHAIN="simulator"):
        wheels = [str(_wheel(session, name)) for name in WHEELS]
    session.install("--no-deps", "--force-reinstall", *wheels)
    return _simulated_cann(session)


def _device_tests(session: nox.Session, torch_npu: str) -> None:
    """Both wheels, with simulated kernels, on NPU tensors of a real torch_npu."""
    env = _device_environment(session, torch_npu)
    tests = ("tests/npu_device", "-q", *PARALLEL)
    # Models run with one release; there their packages are needed, and nothing is skipped.
    less = tuple(f"--ignore=tests/npu_device/{name}" for name in NPU_MODEL_TESTS)
    if torch_npu == TORCH_NPU_MODELS:
        session.install(NPU_TRANSFORMERS, *_group("demo"))
        less = ()
    usual = () if _python(session) == MAIN else ("-m", "not once")
    _pytest(session, *tests, *less, *usual, env={**env, "TASK_QUEUE_ENABLE": "1"})
    _pytest(session, *tests, *less, "-m", "not process", env={**env, "TASK_QUEUE_ENABLE": "0"})


def _test_session(python: str, torch: str, torch_npus: list[str]) -> None:
    cpu = [(wheel, torch, "") for wheel in WHEELS]
    npu = [("both", version.split(".post")[0], version) for version in torch_npus]

    @nox.session(name=f"test-{python}", python=python, tags=["test"])
    @nox.parametrize(
        "wheel,torch,torch_npu",
        cpu + npu,
        ids=[*(f"{w}, torch {t}" for w, t, _ in cpu), *(f"torch_npu {v}" for v in torch_npus)],
    )
    def test(session: nox.Session, wheel: str, torch: str, torch_npu: str) -> None:
        """Tests a wheel on CPU tensors, or both on NPU tensors of a torch_npu over the simulated
        CANN runtime; arguments go to pytest, as in: nox -s test-3.11 -- -k paged."""
        if torch_npu:
            _device_tests(session, torch_npu)
            return
        _share_torch(session, torch)
        _install_wheels(session, wheel)
        _pytest(session, *SUITES[wheel], *PARALLEL, *_less(python))


def _smoke_session(python: str, torches: list[str]) -> None:
    @nox.session(name=f"smoke-{python}", python=python, tags=["smoke"])
    @nox.parametrize("torch", torches)
    def smoke(session: nox.Session, torch: str) -> None:
        """The smoke tests of both wheels under another torch or Python."""
        _share_torch(session, torch)
        _install_wheels(session, *WHEELS)
        _pytest(session, *SUITES["both"], "-m", "smoke")


for _python_version, _torch_version in TORCH.items():
    _test_session(_python_version, _torch_version, TORCH_NPU.get(_python_version, []))
for _python_version, _torch_versions in SMOKE_TORCH.items():
    _smoke_session(_python_version, _torch_versions)


@nox.session(python="3.10")
@nox.parametrize("torch_npu", list(TORCH_NPU_COMPAT))
def compat(session: nox.Session, torch_npu: str) -> None:
    """The same wheel files on NPU tensors of many torch_npu; gigabytes of downloads, so not a
    default."""
    _device_tests(session, torch_npu)


@nox.session
def packaging(session: nox.Session) -> None:
    """Wheel contents, sdists that rebuild themselves, editable installs, both wheels together."""
    _share_torch(session)
    session.install(*_group("packaging"))
    # For the stand-in of CANN's compiler.
    build = _build_simulator(session, "sim", "ascsim")
    _pytest(session, "tests/packaging", env={"ASCSIM_BUILD": str(build)})


@nox.session
@nox.parametrize("transformers", list(CLIENTS))
def clients(session: nox.Session, transformers: str) -> None:
    """Unmodified client projects on both wheels; minutes and downloads, so not a default."""
    _share_torch(session)
    session.install(f"transformers=={transformers}")
    if CLIENTS[transformers]:
        # Some ask for a torch of their own; what they need of it is there.
        session.install(*(("--no-deps",) if transformers[0] == "4" else ()), *CLIENTS[transformers])
    _install_wheels(session, *WHEELS)
    session.install("--no-deps", "--force-reinstall", str(_wheel(session, "compat")))
    _pytest(session, "tests/clients")


@nox.session
def neon(session: nox.Session) -> None:
    """The v3 wheel cross-compiled for AArch64: its smoke tests under qemu-user.

    Four minutes of processor time, most of them for an emulated torch, and tools of Debian that
    pip does not bring: not among the default sessions. The kernels of both wheels are the same.
    """
    script = ROOT / "tests/packaging/aarch64_environment.py"
    folder = BUILD / "aarch64"
    complete = folder / f"complete-{sources.digest(script.read_text(), *_group('test'))}"
    if not complete.exists():
        session.run("python", script, folder, TORCH_AARCH64, *_group("test"))
        complete.touch()
    session.install(*_group("native-build"), *cmake.missing_tools())
    environment = runpy.run_path(str(script))
    variables = environment["build_variables"](folder, ROOT / "core_kernels/cmake/aarch64.cmake")
    with _environment(**variables):
        wheel = _wheel(session, "v3", "--no-build-isolation")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    tests = ("tests/test_flash_attn_npu_v3.py", "-m", "smoke", "-p", "no:cacheprovider")
    # Threads that spin while they wait take the processor from those that are emulated.
    env = {"FLASH_ATTN_NPU_ISA": "neon", "OMP_WAIT_POLICY": "passive"}
    session.run(
        str(folder / "python"), "-m", "pytest", *tests, *session.posargs, env=env, external=True
    )


@nox.session
def sanitize(session: nox.Session) -> None:
    """The smoke tests on a core built with the address and undefined-behaviour sanitizers."""
    flags = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    arguments = f"-DCMAKE_BUILD_TYPE=RelWithDebInfo '-DCMAKE_CXX_FLAGS={flags}'"
    _share_torch(session)
    with _environment(FLASH_ATTN_NPU_CMAKE_ARGS=arguments):
        wheels = [str(_wheel(session, name)) for name in WHEELS]
    session.install("--no-deps", "--force-reinstall", *wheels)
    # The C++ library too: the sanitizer looks for what throws exceptions before anybody loads it.
    preloaded = []
    for name in ("libasan.so", "libstdc++.so.6"):
        path = session.run("c++", f"-print-file-name={name}", silent=True, external=True)
        preloaded.append(str(Path(str(path).strip()).resolve()))
    env = {
        "LD_PRELOAD": " ".join(preloaded),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    _pytest(session, *SUITES["both"], "-m", "smoke", env=env)


@nox.session(name="sanitize-threads")
def sanitize_threads(session: nox.Session) -> None:
    """A program that calls the core from several threads, with the thread sanitizer."""
    session.install(*cmake.missing_tools(), "ninja")
    folder = BUILD / "sanitize-threads"
    session.run("cmake", "-S", "tests/threads", "-B", folder, "-G", "Ninja")
    session.run("cmake", "--build", folder)
    # The sanitizer of GCC 12 needs its addresses where they are without randomisation.
    session.run("setarch", "-R", folder / "threads", external=True)


def _build_simulator(
    session: nox.Session, folder: str, target: str, env: dict[str, str] | None = None
) -> Path:
    """Fetches CATLASS and builds a target of the simulator in build/<folder>."""
    session.install(*_group("sim"), *cmake.missing_tools())
    include = str(session.run("python", "third_party/catlass.py", silent=True)).strip()
    build = BUILD / folder
    options = (
        f"-DCATLASS_INCLUDE={include}",
        f"-DPython_EXECUTABLE={Path(session.bin) / 'python'}",
        f"-DASCSIM_KERNEL_FOLDERS={ROOT / 'core_kernels/src/npu/kernels'}",
    )
    configure = ("cmake", "-S", "simulator", "-B", build, "-G", "Ninja", *options)
    session.run(*configure, env=env, external=True)
    session.run("cmake", "--build", build, "--target", target, external=True)
    return build


def _simulator(session: nox.Session, folder: str, env: dict[str, str] | None = None) -> None:
    """Builds the simulator in build/<folder> and runs kernels on it."""
    build = _build_simulator(session, folder, "all", env)
    # Without the conftest of tests, which is about the packages.
    arguments = ("tests/simulator", "tests/npu", "--confcutdir=tests/npu", "-q", *PARALLEL)
    _pytest(session, *arguments, env={"ASCSIM_BUILD": str(build)})


@nox.session
def sim(session: nox.Session) -> None:
    """Builds the simulator, fetches CATLASS, runs kernels on it; arguments go to pytest."""
    _simulator(session, "sim")


@nox.session
def npu(session: nox.Session) -> None:
    """Both wheels with simulated NPU kernels against the oracle; arguments go to pytest.

    `./dev npu --npu-cases=6000` runs more than the usual 800 cases.
    """
    _share_torch(session)
    session.install(*_group("catlass"), *cmake.missing_tools())
    session.run("python", "third_party/catlass.py", silent=True)
    with _environment(FA_NPU_TOOLCHAIN="simulator"):
        wheels = [str(_wheel(session, name)) for name in WHEELS]
    session.install("--no-deps", "--force-reinstall", *wheels)
    _pytest(session, "tests/npu_host", *PARALLEL, env={"FLASH_ATTN_NPU_BACKEND": "npu"})


@nox.session(name="torch-npu")
def torch_npu(session: nox.Session) -> None:
    """The real torch_npu over the simulated CANN runtime; arguments go to pytest."""
    _share_torch(session)
    session.install("--no-deps", f"torch_npu=={TORCH[MAIN]}", "pyyaml")
    session.install(*cmake.missing_tools(), "ninja")
    env = _simulated_cann(session)
    _pytest(session, "tests/cann_runtime", "--confcutdir=tests/cann_runtime", env=env)


@nox.session(name="sim-clang")
def sim_clang(session: nox.Session) -> None:
    """The same with clang++ (CXX names another one); not among the default sessions."""
    _simulator(session, "sim-clang", {"CXX": os.environ.get("CXX", "clang++")})


# ---------------------------------------------------------------- check


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, static checks, layering, docstrings; prints the size report."""
    session.install(*_group("lint"), *_group("catlass"), *cmake.missing_tools())
    session.run("python", "third_party/catlass.py", silent=True)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("clang-format", "--dry-run", "-Werror", *_files("*.cpp", "*.h"))
    session.run("python", "-m", "tests.lint.sizes")
    _pytest(session, "tests/lint", "--confcutdir=tests/lint", "-q", *PARALLEL)


@nox.session
def tidy(session: nox.Session) -> None:
    """clang-tidy over the core; takes minutes, so not among the default sessions."""
    session.install(*_group("tidy"), *cmake.missing_tools())
    commands = BUILD / "tidy"
    options = ("-G", "Ninja", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    session.run("cmake", "-S", "core_kernels", "-B", commands, *options, external=True)
    session.run("clang-tidy", "--quiet", "-p", commands, *_files("core_kernels/src/*.cpp"))


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over all Python of the repository."""
    _share_torch(session)
    session.install(*_group("types"))
    for package in (*IMPORTS.values(), "flash_attn_3", "build_support"):
        session.run("mypy", "-p", package)
    session.run("mypy", "-m", "flash_attn_config", "-m", "flash_attn_npu_v3")
    for hook in _files("packages/*/hatch_build.py"):
        session.run("mypy", hook)
    session.run("mypy", "noxfile.py", "dev")
    session.run("mypy", *_files("tests/packaging/*.py"))
    folders = ("benchmarks", "docs", "simulator", "tests", "third_party")
    scripts = _files(*(f"{folder}/*.py" for folder in folders), ":!tests/packaging")
    session.run("mypy", *scripts)


@nox.session
def docs(session: nox.Session) -> None:
    """Generated tables are current, links lead somewhere, examples and benchmarks run."""
    _share_torch(session)
    session.install(*_group("demo"), *_group("bench"))
    _install_wheels(session, *WHEELS)
    _pytest(session, "tests/docs", *PARALLEL)


# ---------------------------------------------------------------- run


@nox.session
def demo(session: nox.Session) -> None:
    """A pretrained transformer and a small causal model running on our attention."""
    _share_torch(session)
    session.install(*_group("demo"))
    _install_wheels(session, *WHEELS)
    for example in ("semantic_search.py", "tiny_lm.py"):
        session.run("python", f"docs/examples/{example}", *session.posargs)


@nox.session(name="demo-npu", python="3.11")
def demo_npu(session: nox.Session) -> None:
    """The pretrained transformer with device="npu": torch_npu on a simulated device."""
    env = _device_environment(session, TORCH_NPU_MODELS)
    session.install(*_group("demo"))
    command = ("docs/examples/semantic_search.py", "--device", "npu", *session.posargs)
    session.run("python", *command, env=env)


@nox.session
def bench(session: nox.Session) -> None:
    """Times the overhead per call, layers and kernels; arguments go to benchmarks/run.py.

    The results of the last are in build/bench.json too, and drawn in build/bench.svg.
    """
    _share_torch(session)
    _install_wheels(session, *WHEELS)
    session.install(*_group("bench"))
    result, picture = (str(BUILD / f"bench.{kind}") for kind in ("json", "svg"))
    session.run("python", "benchmarks/overhead.py")
    session.run("python", "benchmarks/layers.py")
    session.run("python", "benchmarks/run.py", "--out", result, "--plot", picture, *session.posargs)
