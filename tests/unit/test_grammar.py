"""The generated cases: reproducible, free of contradictions, every possible pair of levels."""

from __future__ import annotations

import random

import pytest

from fa_testing.case import Case
from fa_testing.generate import WORK_LIMIT, expand, generate_cases, work
from fa_testing.grammar import (
    FEATURES,
    RULES,
    TRIVIAL,
    Choice,
    Rule,
    all_pairs,
    complete,
    generate_choices,
    pairs_of,
    possible_pairs,
    rules_of,
)

COUNT = 3000


@pytest.mark.parametrize("api", [2, 3])
def test_every_possible_pair_occurs(api: int, pytestconfig: pytest.Config) -> None:
    """Every level of every feature with every level of every other one, unless a rule forbids."""
    choices = generate_choices(api, COUNT, pytestconfig.getoption("--seed"))
    assert len(choices) >= COUNT
    covered = set().union(*(pairs_of(choice) for choice in choices))
    possible = possible_pairs(api, random.Random(0))
    print(f"v{api}: {len(possible)} possible pairs of {len(all_pairs(api))}, all covered")
    assert not possible - covered
    assert len(possible) > 4000


@pytest.mark.parametrize("api", [2, 3])
def test_impossible_pairs_follow_from_rules(api: int) -> None:
    """A pair without a complete choice has one only if some rules are left out."""
    rng = random.Random(1)
    possible = possible_pairs(api, rng)
    impossible = [p for p in all_pairs(api) if p not in possible]
    for pair in rng.sample(impossible, 60):
        wanted = {pair[0]: pair[1], pair[2]: pair[3]}
        if any(level in TRIVIAL.get(name, ()) for name, level in wanted.items()):
            continue
        assert complete(rng, api, wanted) is None, pair
        assert complete(rng, api, wanted, []) is not None


def test_pairs_of_a_trivial_choice() -> None:
    """A case without keys counts for the pairs with "no keys", not for causal with sinks."""
    choice = {name: levels[0] for name, levels in FEATURES.items()} | {"kv_len": "zero"}
    assert all("zero" in pair for pair in pairs_of(choice))
    assert len(pairs_of(choice)) == len(FEATURES) - 1


def test_rules_name_levels_that_exist() -> None:
    for rule in RULES:
        assert rule.why
        for feature, levels in rule.levels.items():
            assert levels and set(levels) <= set(FEATURES[feature]), rule


def test_a_broken_rule_is_found() -> None:
    rule = Rule({"causal": ("on",), "sink": ("on",)}, "test")
    assert rule.broken({"causal": "on", "sink": "on", "alibi": "off"})
    assert not rule.broken({"causal": "on", "sink": "off"})
    assert complete(random.Random(0), 3, {"causal": "on", "sink": "on"}, [rule]) is None


@pytest.mark.parametrize("api", [2, 3])
def test_choices_break_no_rule(api: int) -> None:
    for choice in generate_choices(api, 400, seed=3):
        assert set(choice) == set(FEATURES)
        assert not [rule for rule in rules_of(api) if rule.broken(choice)]


@pytest.mark.parametrize("api", [2, 3])
def test_seed_decides(api: int) -> None:
    first, second = generate_cases(api, 200, seed=4), generate_cases(api, 200, seed=4)
    assert first == second
    assert first != generate_cases(api, 200, seed=5)


def levels_of(case: Case) -> Choice:
    """The levels that can be read off a case again."""

    def on(value: object) -> str:
        return "on" if value else "off"

    return {
        "direction": case.direction,
        "dtype": case.dt,
        "function": case.function,
        "batch": {0: "none", 1: "one"}.get(case.b, "many"),
        "q_layout": "packed" if case.packed_q else "padded",
        "kv_layout": "packed" if case.packed_k else "padded",
        "causal": on(case.causal),
        "chunk": on(case.chunk),
        "softcap": on(case.softcap),
        "scale": "given" if case.scale else "default",
        "alibi": case.alibi or "off",
        "sink": on(case.sink),
        "dropout": on(case.dropout),
        "qv": on(case.qv),
        "descale": on(case.descale),
        "int8": case.int8 or "off",
        "seqused_q": on(case.used_q),
        "seqused_k": on(case.used_k),
        "batch_idx": on(case.batch_idx),
        "page": {0: "off", 1: "one", 256: "large"}.get(case.page, "small"),
        "append": "off" if not case.new else "ragged" if case.ragged_new else "uniform",
        "rotary": "off" if not case.rotary else "halves" if case.halves else "pairs",
        "rotary_seqlens": on(case.rotary_seqlens),
        "splits": {0: "auto", 1: "one"}.get(case.splits, "many"),
        "pack_gqa": {-1: "auto", 0: "off", 1: "on"}[case.pack_gqa],
        "metadata": on(case.metadata),
        "deterministic": on(case.deterministic),
        "lse": on(case.lse),
        "dlse": on(case.dlse),
        "layout": case.layout,
        "fill": case.fill,
        "heads": "mha" if case.group == 1 else "mqa" if case.hkv == 1 else "gqa",
    }


@pytest.mark.parametrize("api", [2, 3])
def test_cases_are_what_was_chosen(api: int) -> None:
    rng = random.Random(8)
    vague = 0
    for choice in generate_choices(api, 600, seed=8):
        case = expand(rng, api, choice)
        for name, level in levels_of(case).items():
            if name == "heads":  # one kv head is also what mha and gqa may draw
                vague += level != choice[name]
            elif choice["batch"] != "none" or name == "batch":
                assert level == choice[name], f"{name}: {case}"
        assert case.d <= 512 and work(case) <= 100 * WORK_LIMIT
    assert vague < 300
