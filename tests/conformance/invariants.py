"""What must hold between calls: the same bits, whatever threads, batch, run, ISA."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from fa_testing.backends import Outcome, Wheel, call
from fa_testing.case import Case, parse_case
from fa_testing.combining import check_combine
from fa_testing.compare import compare
from fa_testing.expected import Target, cpu_precision, expect
from fa_testing.generate import generate_cases
from fa_testing.guard import Guard
from fa_testing.inputs import build_inputs
from fa_testing.run import run_case

ISA_CASES = 150
ISA_PAIRS = 100

# Large enough that the plans use several tasks and threads.
THREADED = {
    2: (
        "bwd v2.func b=2 sq=200 skv=700 hq=4 hkv=2 d=64 dt=bf16 causal fill=normal seed=1",
        "bwd v2.varlen b=3 sq=300 skv=300 hq=3 hkv=1 d=40 dt=fp32 window=64,-1 dropout=0.2 "
        "q_lens=300,0,150 kv_lens=300,200,150 fill=normal seed=2",
        "fwd v2.kvcache b=2 sq=40 skv=2600 hq=8 hkv=2 d=64 dt=fp16 kv_lens=2500,1300 page=16 "
        "splits=0 fill=normal seed=3",
        "fwd v2.kvcache b=2 sq=64 skv=1600 hq=4 hkv=4 d=64 dt=fp32 kv_lens=1500,1300 new=8,8 "
        "rotary=32 splits=5 causal fill=normal seed=4",
    ),
    3: (
        "bwd v3.func b=2 sq=200 skv=700 hq=4 hkv=2 d=64 dt=bf16 causal fill=normal seed=1",
        "bwd v3.varlen b=3 sq=300 skv=300 hq=3 hkv=1 d=40 dt=fp32 window=64,-1 qv sink "
        "q_lens=300,0,150 kv_lens=300,200,150 splits=3 fill=normal seed=2",
        "fwd v3.kvcache b=2 sq=40 skv=2600 hq=8 hkv=2 d=64 dt=fp16 kv_lens=2500,1300 page=16 "
        "splits=0 fill=normal seed=3",
        "fwd v3.kvcache b=2 sq=64 skv=1600 hq=4 hkv=4 d=64 dt=fp8 descale kv_lens=1500,1300 "
        "splits=5 causal fill=normal seed=4",
    ),
}


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def results_of(case: Case, wheel: Wheel, count: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(0)
    with threads(count):
        return call(case, build_inputs(case).clone(), wheel).results


def assert_same_bits(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        x, y = a[name].detach(), b[name].detach()
        same = (x == y) | (x.isnan() & y.isnan())
        assert bool(same.all()), f"{name}: {int((~same).sum())} of {same.numel()} elements differ"


@pytest.mark.smoke
@pytest.mark.parametrize("index", range(4))
def test_threaded_cases_are_correct(wheel: Wheel, index: int) -> None:
    case = parse_case(THREADED[wheel.api][index])
    with threads(2):
        call(case, build_inputs(case).clone(), wheel)
    assert wheel.native.last_plan()["threads"] == 2, "the case is too small to show anything"
    report = run_case(case.replace(seed=case.seed | 1), wheel)  # odd seeds run with two threads
    assert not report.problems, str(report)


@pytest.mark.parametrize("index", range(4))
def test_same_bits_for_any_thread_count(wheel: Wheel, index: int) -> None:
    case = parse_case(THREADED[wheel.api][index]).replace(deterministic=True)
    if case.cached:
        case = case.replace(deterministic=False)  # the forward always is
    one = results_of(case, wheel, 1)
    for count in (2, 3):
        assert_same_bits(one, results_of(case, wheel, count))


@pytest.mark.parametrize("index", range(4))
def test_same_bits_when_repeated(wheel: Wheel, index: int) -> None:
    case = parse_case(THREADED[wheel.api][index])
    first = results_of(case, wheel, 2)
    for _ in range(3):
        assert_same_bits(first, results_of(case, wheel, 2))


def test_small_cases_repeat(wheel: Wheel, pytestconfig: pytest.Config) -> None:
    for case in generate_cases(wheel.api, 1200, pytestconfig.getoption("--seed"))[:100]:
        case = case.replace(deterministic=case.backward)
        assert_same_bits(results_of(case, wheel), results_of(case, wheel, 2))


def cache_call(
    wheel: Wheel, q: Tensor, k: Tensor, v: Tensor, lens: Tensor, **more: object
) -> Tensor:
    out: Tensor = wheel.module.flash_attn_with_kvcache(
        q, k, v, cache_seqlens=lens, num_splits=1, causal=True, **more
    )
    return out


@pytest.mark.smoke
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("q_len", [1, 5])
def test_batch_invariance(wheel: Wheel, dtype: torch.dtype, q_len: int) -> None:
    """With num_splits=1 a request alone has the bits that it has inside any batch."""
    generator = torch.Generator().manual_seed(3)
    q = torch.randn(6, q_len, 8, 64, generator=generator).to(dtype)
    k = torch.randn(6, 900, 2, 64, generator=generator).to(dtype)
    v = torch.randn(6, 900, 2, 64, generator=generator).to(dtype)
    lens = torch.tensor([900, 5, 128, 300, 1, 717], dtype=torch.int32)
    with threads(2):
        whole = cache_call(wheel, q, k, v, lens)
        for size in (1, 2, 3):
            for begin in range(0, 6, size):
                part = slice(begin, begin + size)
                alone = cache_call(wheel, q[part], k[part], v[part], lens[part])
                assert torch.equal(alone, whole[part]), f"entries {begin} to {begin + size - 1}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_varlen_batch_invariance(wheel: Wheel, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(4)
    lens = [70, 1, 260, 33]
    x = [torch.randn(n, 3, 4, 32, generator=generator).to(dtype) for n in lens]
    more = {} if wheel.api == 2 else {"num_splits": 1}

    def attend(parts: list[Tensor]) -> Tensor:
        packed = torch.cat(parts)
        cu = torch.tensor([0, *(p.shape[0] for p in parts)]).cumsum(0).to(torch.int32)
        longest = max(p.shape[0] for p in parts)
        q, k, v = packed.unbind(1)
        out: Tensor = wheel.module.flash_attn_varlen_func(
            q, k, v, cu, cu, longest, longest, causal=True, **more
        )
        return out

    whole = attend(x).split(lens)
    for part, expected in zip(x, whole, strict=True):
        assert torch.equal(attend([part]), expected)


@pytest.mark.smoke
@pytest.mark.parametrize("page", [0, 1, 16])
def test_cached_equals_uncached(wheel: Wheel, page: int) -> None:
    """Token by token through a growing cache gives what one causal call over all tokens gives."""
    generator = torch.Generator().manual_seed(5)
    n, q_heads, kv_heads, dim = 48, 4, 2, 32
    q = torch.randn(1, n, q_heads, dim, generator=generator)
    k = torch.randn(1, n, kv_heads, dim, generator=generator)
    v = torch.randn(1, n, kv_heads, dim, generator=generator)
    whole = wheel.module.flash_attn_func(q, k, v, causal=True)
    more: dict[str, Tensor] = {}
    shape = (1, n, kv_heads, dim)
    if page:
        shape = (n // page, page, kv_heads, dim)
        table = torch.randperm(n // page, generator=generator).to(torch.int32)[None]
        more["block_table" if wheel.api == 2 else "page_table"] = table
    k_cache, v_cache = torch.full(shape, math.nan), torch.full(shape, math.nan)
    for t in range(n):
        lens = torch.tensor([t], dtype=torch.int32)
        now = slice(t, t + 1)
        step = wheel.module.flash_attn_with_kvcache(
            q[:, now], k_cache, v_cache, k[:, now], v[:, now], cache_seqlens=lens, **more
        )
        # The same sums in another order: two units of fp32 per key are ample.
        bound = 2.0**-23 * (t + 8) * float(v.abs().max())
        assert float((step - whole[:, now]).abs().max()) <= bound, f"token {t}"


@contextmanager
def instruction_set(wheel: Wheel, name: str) -> Iterator[None]:
    before = wheel.native.isa()
    wheel.native.set_isa(name)
    try:
        yield
    finally:
        wheel.native.set_isa(before)


def test_every_isa(wheel: Wheel, pytestconfig: pytest.Config) -> None:
    """The instruction sets that other tests do not use pass generated cases as well.

    Where there is one only (portable, on processors without AVX2), they are further cases for it.
    """
    native = wheel.native
    assert "portable" in native.isas()
    isas = [isa for isa in native.isas() if isa != native.isa()] or native.isas()
    cases = generate_cases(wheel.api, 1200, pytestconfig.getoption("--seed") + 1)
    failures = []
    for position, isa in enumerate(isas):
        with instruction_set(wheel, isa):
            for case in cases[position * ISA_CASES : (position + 1) * ISA_CASES]:
                report = run_case(case, wheel)
                failures += [f"isa {isa}: {report}"] if report.problems else []
            assert native.last_plan()["isa"] == isa
    assert not failures, "\n".join(failures[:5])


def outcome_on(isa: str, case: Case, wheel: Wheel) -> Outcome:
    torch.manual_seed(0)
    with instruction_set(wheel, isa), Guard(wheel) as guard:
        outcome = call(case, build_inputs(case), wheel)
    outcome.rng = guard.rng
    return outcome


def test_isas_differ_by_rounding_only(wheel: Wheel, pytestconfig: pytest.Config) -> None:
    """Two results are no farther apart than one may be from the oracle."""
    isas = wheel.native.isas()
    if len(isas) == 1:
        pytest.skip(f"this processor has {isas[0]} only")
    differ = 0
    for case in generate_cases(wheel.api, 1200, pytestconfig.getoption("--seed") + 2)[:ISA_PAIRS]:
        best, *others = (outcome_on(isa, case, wheel) for isa in isas)
        for isa, other in zip(isas[1:], others, strict=True):
            # The bound of the less exact one of the two.
            precision = max((cpu_precision(case, i) for i in (isas[0], isa)), key=lambda p: p.p)
            targets = expect(case, build_inputs(case), best.rng, precision).targets
            assert other.results.keys() == best.results.keys()
            for name, result in other.results.items():
                target = Target(best.results[name].detach().double(), targets[name].bound)
                mismatch = compare(name, result, target)
                assert mismatch is None, f"{isas[0]} and {isa}: {case}\n  {mismatch}"
                differ += not torch.equal(result, best.results[name])
    assert differ, "the choice of the ISA has no effect"


def test_unknown_isas_are_refused(wheel: Wheel) -> None:
    before = wheel.native.isa()
    assert before in wheel.native.isas()
    with pytest.raises(
        wheel.module.InvalidArgument, match=f"got abacus, expected one of .*{before}"
    ):
        wheel.native.set_isa("abacus")
    assert wheel.native.isa() == before


@pytest.mark.smoke
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("splits", [1, 2, 7])
@pytest.mark.parametrize("lse_strides", ["plain", "seqlen_first"])
def test_combine(v3_wheel: Wheel, dtype: torch.dtype, splits: int, lse_strides: str) -> None:
    """flash_attn_combine within 1e-5 of fp64 before the output rounding, empty splits included."""
    check_combine(v3_wheel, dtype, splits, lse_strides)
