"""Case lines: round trip, refusal of nonsense, and that a case alone decides its inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fa_testing.case import Case, format_case, parse_case, read_cases
from fa_testing.fill import FILLS, POISON_PAGE, bits
from fa_testing.generate import generate_cases
from fa_testing.inputs import Inputs, build_inputs, place
from fa_testing.sequences import find_entries

CASES = Path(__file__).resolve().parents[1] / "cases"


@pytest.mark.parametrize("api", [2, 3])
def test_round_trip(api: int) -> None:
    for case in generate_cases(api, 300, seed=5):
        assert parse_case(format_case(case)) == case


@pytest.mark.parametrize(
    "line",
    [
        "fwd v2.func b=1 colour=blue",
        "fwd v2.nothing b=1",
        "sideways v2.func b=1",
        "fwd v2.func hq=3 hkv=2",
        "fwd v2.kvcache b=2 kv_lens=1",
        "fwd v2.varlen b=2 q_lens=1,2",
        "fwd v2.func dt=int8",
    ],
)
def test_nonsense_is_refused(line: str) -> None:
    with pytest.raises((ValueError, AssertionError)):
        parse_case(line)


def test_case_files_parse() -> None:
    files = sorted(CASES.glob("*.txt"))
    assert files
    for file in files:
        lines = read_cases(str(file))
        assert lines and len(lines) == len(set(lines)), file


def same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.stride() == b.stride() and torch.equal(raw(a), raw(b))


def raw(x: Tensor) -> Tensor:
    # A copy in any case: with one column any stride counts as contiguous.
    return bits(x).clone(memory_format=torch.contiguous_format).view(torch.uint8)


@pytest.mark.parametrize("api", [2, 3])
def test_inputs_depend_on_the_case_only(api: int) -> None:
    for case in generate_cases(api, 60, seed=6)[:40]:
        first, second = build_inputs(case), build_inputs(case)
        for name, value in vars(first).items():
            if isinstance(value, Tensor) and value.numel():
                assert same(value, getattr(second, name)), f"{case}: {name}"


@pytest.mark.parametrize("layout", ["plain", "transposed", "sliced"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn])
def test_layouts_keep_values(layout: str, dtype: torch.dtype) -> None:
    x = torch.randn(2, 5, 3, 8).to(dtype)
    placed = place(x, layout)
    assert torch.equal(bits(placed), bits(x)) and placed.stride(-1) == 1
    assert placed.is_contiguous() == (layout == "plain")


def test_fills_differ_and_are_finite() -> None:
    base = Case(b=1, sq=40, skv=40, hq=2, hkv=2, d=16)
    seen: list[tuple[Tensor, Tensor]] = []
    for fill in FILLS:
        x = build_inputs(base.replace(fill=fill))
        assert bool(torch.isfinite(x.q).all() and torch.isfinite(x.k).all())
        assert not any(torch.equal(x.k, k) and torch.equal(x.v, v) for k, v in seen), fill
        seen.append((x.k, x.v))
    x = build_inputs(base.replace(fill="const"))
    assert torch.equal(x.v, x.v[:, :1].expand_as(x.v))


def cached_case(**changes: object) -> Inputs:
    line = "fwd v3.kvcache b=3 sq=2 skv=20 hq=2 hkv=1 d=8 kv_lens=9,0,17 leftpad=2,0,16"
    return build_inputs(parse_case(line).replace(**changes))


def test_unused_cache_slots_are_poison() -> None:
    x = cached_case()
    for row, (begin, end) in enumerate([(2, 9), (0, 0), (16, 17)]):
        held = torch.zeros(20, dtype=torch.bool)
        held[begin:end] = True
        assert torch.equal(~x.k[row, :, 0, 0].isnan(), held)


@pytest.mark.parametrize("page", [1, 4, 256])
def test_unused_pages_are_poison(page: int) -> None:
    case = parse_case("fwd v3.kvcache b=3 sq=2 skv=20 hq=2 hkv=1 d=8 kv_lens=9,0,17 new=2,2,2")
    case = case.replace(page=page)
    x = build_inputs(case)
    assert x.page_table is not None
    for row, tokens in enumerate([11, 2, 19]):
        needed = -(-tokens // page)
        assert bool((x.page_table[row, needed:] == POISON_PAGE).all())
        used = x.page_table[row, :needed]
        assert bool((used < x.k.shape[0]).all()) and len(set(used.tolist())) == needed
    for entry in find_entries(case, x):
        assert entry.new is not None and entry.target is not None
        assert entry.target.count == 2 and bool(entry.target.read(x.k).isnan().all())
        kept = entry.kv.count - 2
        assert bool(torch.isfinite(entry.kv.read(x.k)[:kept]).all())


def test_queries_beyond_seqused_are_poison() -> None:
    line = "bwd v3.varlen b=2 sq=5 skv=4 q_lens=5,3 kv_lens=4,2 used_q=2,3 used_k=0,1"
    for padded in (False, True):
        case = parse_case(line)
        if padded:
            case = case.replace(padded_q=True, q_lens=(5, 5), used_q=(2, 3))
        x = build_inputs(case)
        assert x.dout is not None
        for tensor in (x.q, x.dout):
            rows = tensor.flatten(0, 1) if padded else tensor
            assert rows[:, 0, 0].isnan().tolist()[:5] == [False, False, True, True, True]
