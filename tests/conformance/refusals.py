"""Combinations that are refused: they must raise, by name, before anything is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch

from fa_testing.backends import Wheel, call
from fa_testing.case import parse_case
from fa_testing.inputs import build_inputs


@dataclass(frozen=True)
class Refusal:
    """A case, the exception class by name and a word of its message."""

    line: str
    error: str
    word: str


REFUSALS = (
    # The rules of fa_testing/grammar.py that say "refused", one line each.
    Refusal("bwd v2.varlen b=1 sq=4 skv=8 q_lens=4 kv_lens=8 page=4", "NotSupported", "page_table"),
    Refusal("bwd v2.kvcache b=1 sq=4 skv=8 kv_lens=8", "NotSupported", "flash_attn_with_kvcache"),
    Refusal("bwd v3.kvcache b=1 sq=4 skv=8 kv_lens=8", "NotSupported", "flash_attn_with_kvcache"),
    Refusal("bwd v3.func b=1 sq=4 skv=8 dt=fp8", "NotSupported", "float8_e4m3fn"),
    Refusal("fwd v3.func b=1 sq=4 skv=8 dt=fp8 qv", "NotSupported", "qv"),
    Refusal("fwd v2.func b=1 sq=4 skv=8 dt=fp8", "NotSupported", "float8_e4m3fn"),
    Refusal(
        "fwd v3.kvcache b=1 sq=4 skv=9 d=16 dt=fp8 kv_lens=4 new=2 rotary=16",
        "NotSupported",
        "rotary",
    ),
    Refusal("fwd v3.func b=1 sq=4 skv=8 descale", "NotSupported", "descale"),
    Refusal("fwd v3.func b=1 sq=4 skv=8 dt=fp8 int8=head", "InvalidArgument", "k: got dtype int8"),
    Refusal("fwd v2.func b=1 sq=4 skv=8 d=513", "NotSupported", "head dim"),
    Refusal("fwd v3.func b=1 sq=4 skv=8 d=8 dv=513", "NotSupported", "head dim"),
    # Calls that contradict themselves.
    Refusal("fwd v3.func b=1 sq=4 skv=8 splits=257", "InvalidArgument", "num_splits"),
    Refusal("fwd v2.kvcache b=1 sq=4 skv=8 kv_lens=8 splits=129", "InvalidArgument", "num_splits"),
    Refusal("fwd v3.func b=1 sq=4 skv=8 chunk=-1", "InvalidArgument", "attention_chunk"),
    Refusal("fwd v2.func b=1 sq=4 skv=8 softcap=-1.0", "InvalidArgument", "softcap"),
    Refusal("fwd v2.func b=1 sq=4 skv=8 dropout=1.0", "InvalidArgument", "dropout"),
    Refusal("fwd v2.func b=1 sq=4 skv=8 scale=nan", "InvalidArgument", "softmax_scale"),
    Refusal("fwd v2.kvcache b=1 sq=4 skv=8 kv_lens=9", "InvalidArgument", "cache_seqlens"),
    Refusal("fwd v3.kvcache b=1 sq=4 skv=8 kv_lens=4 leftpad=5", "InvalidArgument", "leftpad"),
    Refusal("fwd v3.kvcache b=1 sq=4 skv=8 kv_lens=8 new=1", "InvalidArgument", "cache"),
    Refusal(
        "fwd v2.kvcache b=1 sq=4 skv=8 kv_lens=8 page=8 new=1", "InvalidArgument", "block_table"
    ),
)


def parametrize_refusals(metafunc: pytest.Metafunc, api: int) -> None:
    if "refusal" in metafunc.fixturenames:
        mine = [r for r in REFUSALS if f" v{api}." in r.line]
        metafunc.parametrize("refusal", mine, ids=[r.line for r in mine])


@pytest.mark.smoke
def test_refused(refusal: Refusal, wheel: Wheel) -> None:
    case = parse_case(refusal.line)
    inputs = build_inputs(case)
    k, v = inputs.k.double(), inputs.v.double()
    error = getattr(wheel.module, refusal.error)
    with pytest.raises(error) as caught:
        call(case, inputs, wheel)
    assert refusal.word in str(caught.value)
    for before, after in ((k, inputs.k), (v, inputs.v)):
        same = (before == after.double()) | before.isnan()
        assert bool(same.all()), "a refused call wrote to its inputs"


@pytest.mark.smoke
def test_a_page_that_does_not_exist(wheel: Wheel) -> None:
    """Page ids are checked by value, and no new key is written before that."""
    line = f"fwd v{wheel.api}.kvcache b=2 sq=1 skv=12 kv_lens=7,7 page=4 new=1,1"
    for bad in (-1, 99, 2**31 - 1):
        x = build_inputs(parse_case(line))
        assert x.page_table is not None
        x.page_table[1, 0] = bad
        before = x.k.clone()
        with pytest.raises(wheel.module.InvalidArgument, match=str(bad)):
            call(parse_case(line), x, wheel)
        assert bool(((x.k == before) | before.isnan()).all())


@pytest.mark.smoke
@pytest.mark.parametrize("starts", [[0, 5, 3], [0, 4, 99], [-1, 4, 8]])
def test_cu_seqlens_that_do_not_fit(wheel: Wheel, starts: list[int]) -> None:
    x = torch.randn(8, 2, 16)
    cu = torch.tensor(starts, dtype=torch.int32)
    good = torch.tensor([0, 4, 8], dtype=torch.int32)
    for q_starts, k_starts in ((cu, good), (good, cu)):
        with pytest.raises(wheel.module.InvalidArgument, match="cu_seqlens"):
            wheel.module.flash_attn_varlen_func(x, x, x, q_starts, k_starts, 8, 8)


@pytest.mark.smoke
def test_nan_inputs_stay_in_their_rows(wheel: Wheel) -> None:
    """A NaN query spoils its row; a NaN key those that see it; nothing else."""
    q, k, v = (torch.randn(1, 6, 2, 16) for _ in range(3))
    q[0, 1, 0] = math.nan
    k[0, 4, 1] = math.nan
    out = wheel.module.flash_attn_func(q, k, v, causal=True)
    spoiled = out.isnan().all(-1)[0]
    expected = torch.zeros(6, 2, dtype=torch.bool)
    expected[1, 0] = True
    expected[4:, 1] = True
    assert torch.equal(spoiled, expected)
    assert torch.equal(out.isnan().any(-1)[0], expected)
