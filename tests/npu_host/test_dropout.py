"""Dropout on simulated kernels: the keys that the CPU back end keeps, bit by bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fa_testing.case import parse_case
from fa_testing.error_model import Precision
from fa_testing.expected import out_dtype
from fa_testing.run import run_case
from npu_host.machine import Machine, wheels

SEED = 11


def call(x: dict[str, Tensor]) -> list[Tensor]:
    """out, lse and S_dmask of a padded and a packed call; also run in a process of the CPU's."""
    import flash_attn

    q, k, v = x["q"], x["k"], x["v"]
    torch.manual_seed(SEED)
    padded = flash_attn.flash_attn_func(q, k, v, 0.3, causal=True, return_attn_probs=True)
    packed = flash_attn.flash_attn_varlen_func(
        q.flatten(0, 1),
        k.flatten(0, 1),
        v.flatten(0, 1),
        x["starts_q"],
        x["starts_k"],
        200,
        900,
        0.6,
        return_attn_probs=True,
    )
    return [*padded, *packed]


def inputs(dtype: torch.dtype) -> dict[str, Tensor]:
    torch.manual_seed(SEED)
    q, k, v = (torch.randn(2, n, h, 40) * 0.3 for n, h in ((150, 4), (900, 2), (900, 2)))
    return {
        **{name: x.to(dtype) for name, x in (("q", q), ("k", k), ("v", v))},
        "starts_q": torch.tensor([0, 100, 100, 300], dtype=torch.int32),
        "starts_k": torch.tensor([0, 3, 903, 1800], dtype=torch.int32),
    }


def on_cpu(given: dict[str, Tensor], folder: Path) -> list[Tensor]:
    """The back end is chosen once in a process, so the CPU's has one of its own."""
    torch.save(given, folder / "given.pt")
    script = (
        "import sys, torch; sys.path[:0] = sys.argv[2:]\n"
        "from npu_host.test_dropout import call\n"
        "import flash_attn\n"
        "torch.save(call(torch.load(sys.argv[1] + '/given.pt')), sys.argv[1] + '/results.pt')\n"
        "assert dict(flash_attn._C.last_plan())['backend'] == 'cpu'\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(folder), *sys.path],
        env=os.environ | {"FLASH_ATTN_NPU_BACKEND": "cpu"},
        check=True,
    )
    results: list[Tensor] = torch.load(folder / "results.pt")
    return results


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
def test_keeps_what_the_cpu_keeps(dtype: torch.dtype, tmp_path: Path, machine: Machine) -> None:
    machine.use(3)
    given = inputs(dtype)
    here, there = call(given), on_cpu(given, tmp_path)
    assert dict(wheels(2).native.last_plan())["backend"] == "npu"
    for mine, other in zip(here, there, strict=True):
        assert mine.shape == other.shape
        torch.testing.assert_close(mine, other, rtol=0.03, atol=0.03)
    for place in (2, 5):
        mine, other = here[place], there[place]
        assert torch.equal(mine == 0, other == 0)
        assert torch.equal(mine < 0, other < 0)
        assert float((mine < 0).float().mean()) > 0.02


def test_splits_drop_the_same_keys(machine: Machine) -> None:
    """Without S_dmask the keys of a row may be shared out to several cores."""
    machine.use(24)
    case = parse_case("fwd v2.func b=1 sq=3 skv=3000 hq=2 d=64 dt=fp16 dropout=0.25 lse=0")
    wheel = wheels(2)
    report = run_case(case, wheel, precision=Precision.of_npu(out_dtype(case)))
    assert report.problems == []
    plan = dict(wheel.native.last_plan())
    assert plan["splits"] > 1 and plan["kernel"].endswith("_extras")


def test_no_tokens() -> None:
    """S_dmask of sequences without queries is written, although nothing else is."""
    starts, key_starts = (torch.tensor(t, dtype=torch.int32) for t in ([0, 0, 0], [0, 4, 9]))
    q, kv = torch.randn(0, 2, 16).half(), torch.randn(9, 2, 16).half()
    out, _, probs = wheels(2).module.flash_attn_varlen_func(
        q, kv, kv, starts, key_starts, 5, 5, 0.5, return_attn_probs=True
    )
    assert out.shape == (0, 2, 16)
    assert probs.shape == (2, 2, 128, 128) and not probs.any()
