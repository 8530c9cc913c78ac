"""The wheels as installed: side by side in one process, each with a stub that tells the truth."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from builds import PACKAGES, ROOT, Built

STUB = ROOT / "packages/common/bindings/_C.pyi"

SIDE_BY_SIDE = """
import torch
{imports}
q, k, v = (torch.randn(2, 5, 4, 16, requires_grad=True) for _ in range(3))
outs = []
for function in (flash_attn.flash_attn_func, flash_attn_interface.flash_attn_func):
    out = function(q, k, v, causal=True)
    out = out[0] if isinstance(out, tuple) else out
    out.sum().backward()
    outs.append(out.detach())
assert torch.equal(*outs), "one core, one plan: the same bits"
assert torch.isfinite(q.grad).all() and q.grad.abs().sum() > 0
assert flash_attn._C is not flash_attn_interface._C
assert flash_attn._C.__file__ != flash_attn_interface._C.__file__
print("side by side")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Built]) -> Path:
    """Python of a new environment with both wheels and the torch of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    executable = folder / "bin/python"
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    shared = Path(sysconfig.get_path("purelib"), "shared_torch.pth")
    if shared.exists():
        (site / shared.name).write_text(shared.read_text())
    else:
        (site / "caller.pth").write_text(sysconfig.get_path("purelib") + "\n")
    files = [str(wheel.path) for wheel in wheels.values()]
    command = [
        str(executable),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--ignore-installed",
        "--no-deps",
    ]
    subprocess.run([*command, *files], check=True)
    return executable


def run(python: Path, code: str, folder: Path) -> str:
    done = subprocess.run(
        [str(python), "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("order", [list(PACKAGES.values()), list(PACKAGES.values())[::-1]])
def test_both_in_one_process(python: Path, order: list[str], tmp_path: Path) -> None:
    code = SIDE_BY_SIDE.format(imports="\n".join(f"import {name}" for name in order))
    assert run(python, code, tmp_path).strip() == "side by side"


@pytest.mark.parametrize("module", PACKAGES.values())
def test_version_matches_the_distribution(python: Path, module: str, tmp_path: Path) -> None:
    (package,) = (p for p, name in PACKAGES.items() if name == module)
    code = f"""
import importlib.metadata, {module}
print({module}.__npu_version__ == importlib.metadata.version("{package}"))
"""
    assert run(python, code, tmp_path).strip() == "True"


@pytest.mark.parametrize("module", PACKAGES.values())
def test_stub_names_what_the_module_has(python: Path, module: str, tmp_path: Path) -> None:
    body = ast.parse(STUB.read_text()).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    values = {ast.unparse(node.target) for node in body if isinstance(node, ast.AnnAssign)}
    code = f"from {module} import _C; print(*(n for n in dir(_C) if not n.startswith('_')))"
    assert set(run(python, code, tmp_path).split()) == functions | values


@pytest.mark.parametrize("module", PACKAGES.values())
def test_stub_has_the_parameters_of_the_module(python: Path, module: str, tmp_path: Path) -> None:
    body = ast.parse(STUB.read_text()).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    stub = {node.name: len(node.args.posonlyargs + node.args.args) for node in functions}
    code = f"""
import ast
from {module} import _C
for name in {sorted(stub)}:
    head = getattr(_C, name).__doc__.split(" -> ")[0]
    print(name, head.count(": "))
"""
    rows = (line.split() for line in run(python, code, tmp_path).splitlines())
    assert {name: int(count) for name, count in rows} == stub
