"""Writes the tables of supported features, made by calling the installed packages.

python docs/gen_feature_table.py            writes docs/support.md and the table in README.md
python docs/gen_feature_table.py --check    fails if they are not current
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

import flash_attn
import flash_attn_interface
from features import FEATURES, NPU_FORWARD, Arguments, Feature, plain

ROOT = Path(__file__).resolve().parent.parent
PACKAGES: dict[int, ModuleType] = {2: flash_attn, 3: flash_attn_interface}
FUNCTIONS = {
    "func": "flash_attn_func",
    "varlen": "flash_attn_varlen_func",
    "kvcache": "flash_attn_with_kvcache",
}
YES, EXTENSION, NO = "yes", "yes +", "-"
BEGIN, END = "<!-- features: begin -->", "<!-- features: end -->"


@dataclass(frozen=True)
class Support:
    """Cells of one feature in one package."""

    forward: str
    backward: str


def probe(feature: Feature, api: int) -> Support:
    """Calls the package with and without the feature.

    Raises:
      AssertionError: the call works, but its result shows that an argument has no effect.
    """
    change = feature.change(api)
    if change is None:
        return Support(NO, NO)
    function = getattr(PACKAGES[api], FUNCTIONS[feature.function])
    arguments = change(plain(feature.function))
    yes = EXTENSION if _is_extension(function, arguments) else YES
    result = _call(function, arguments)
    if feature.arguments and not feature.same_result:
        _check_effect(feature, function, result)
    backward = _differentiate(function, arguments) if feature.backward else NO
    return Support(yes, yes if backward == YES else backward)


def _is_extension(function: Callable[..., Any], arguments: Arguments) -> bool:
    """Whether an argument is not one of the original's (those that are added are keyword-only)."""
    parameters = inspect.signature(function).parameters
    return any(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in arguments)


def _call(function: Callable[..., Any], arguments: Arguments) -> list[Tensor]:
    own = {n: a.clone() if isinstance(a, Tensor) else a for n, a in arguments.items()}
    returned = function(**own)
    results = list(returned) if isinstance(returned, tuple) else [returned]
    assert all(bool(r.float().isfinite().all()) for r in results), arguments
    return results


def _check_effect(feature: Feature, function: Callable[..., Any], result: list[Tensor]) -> None:
    without = _call(function, plain(feature.function))
    same = without[0].shape == result[0].shape and torch.equal(without[0], result[0])
    assert not same, f"{feature.name}: the arguments have no effect"


def _differentiate(function: Callable[..., Any], arguments: Arguments) -> str:
    """YES if every float tensor gets a finite gradient, NO if the package refuses."""
    own = dict(arguments)
    leaves = []
    for name in ("q", "k", "v", "qv", "learnable_sink"):
        if isinstance(own.get(name), Tensor):
            leaves.append(own[name].detach().clone().requires_grad_())
            own[name] = leaves[-1]
    try:
        returned = function(**own)
        results = returned if isinstance(returned, tuple) else (returned,)
        total = torch.stack([r.float().sum() for r in results if r.requires_grad]).sum()
        gradients = torch.autograd.grad(total, leaves)
    except flash_attn.NotSupported:
        return NO
    except flash_attn_interface.NotSupported:
        return NO
    assert all(bool(g.float().isfinite().all()) for g in gradients), arguments
    return YES


def table(with_arguments: bool) -> str:
    """The markdown table of all features."""
    head = ["feature", "v2 forward", "v2 backward", "v3 forward", "v3 backward", "forward on NPUs"]
    rows = []
    for feature in FEATURES:
        v2, v3 = probe(feature, 2), probe(feature, 3)
        npu = NPU_FORWARD.get(feature.name, YES)
        cells = [feature.name, v2.forward, v2.backward, v3.forward, v3.backward, npu]
        if with_arguments:
            cells.append(", ".join(f"`{name}`" for name in feature.arguments))
        rows.append(cells)
    if with_arguments:
        head.append("arguments")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


LEGEND = (
    "`yes +`: not in the original, added as a keyword-only argument. `-`: not in that interface, "
    "or, for a backward, refused with `NotSupported` as in the original. NPUs: on the simulator so "
    "far; `-`: refused with `NotSupported`."
)

PROCESSORS = (
    "Processors: x86-64 (units `avx512bf16`, `avx512`, `avx2`) and AArch64 (unit `neon`; tested by "
    "`./dev neon` under an emulator, never timed). Any other processor that GCC or Clang compiles "
    "for runs the unit `portable`. `flash_attn._common.info` shows the unit in use."
)


def support_page() -> str:
    """docs/support.md."""
    return (
        "# What is supported\n\n"
        "Made by `docs/gen_feature_table.py`, which calls both packages once per line, on CPU "
        "tensors; the last column is checked by `./dev npu`. "
        f"{LEGEND}\n\n{PROCESSORS}\n\n{table(with_arguments=True)}\n"
    )


def readme(text: str) -> str:
    """README.md with a current table between its markers."""
    block = f"{BEGIN}\n{table(with_arguments=False)}\n\n{LEGEND}\n{END}"
    replaced, count = re.subn(f"{BEGIN}.*{END}", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"README.md: got {count} places for the table, expected 1")
    return replaced


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if not current")
    check = parser.parse_args().check
    pages = {
        ROOT / "docs/support.md": support_page(),
        ROOT / "README.md": readme((ROOT / "README.md").read_text()),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'not current' if check else 'written'}")
        if not check:
            path.write_text(pages[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
