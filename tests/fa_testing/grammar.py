"""The features of a call, which of them exclude each other, and why.

A choice gives every feature one level. `RULES` lists the impossible combinations; a pair of levels
that no complete choice contains is impossible, every other pair must occur in the generated cases
(tests/unit/test_grammar.py).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

Choice = dict[str, str]

CACHE = ("kvcache",)
FEATURES: dict[str, tuple[str, ...]] = {
    "direction": ("bwd", "fwd"),
    "dtype": ("fp32", "fp16", "bf16", "fp8"),
    "function": (
        "func",
        "kvpacked",
        "qkvpacked",
        "varlen",
        "varlen_kvpacked",
        "varlen_qkvpacked",
        "kvcache",
    ),
    "q_layout": ("padded", "packed"),
    "kv_layout": ("padded", "packed"),
    "batch": ("one", "many", "none"),
    "q_len": ("one", "short", "tile", "zero", "ragged", "ragged_zeros"),
    "kv_len": ("same", "one", "short", "tile", "long", "zero", "ragged", "ragged_zeros"),
    "head_dim": ("one", "odd", "eights", "large", "huge"),
    "value_dim": ("same", "other"),
    "heads": ("mha", "gqa", "mqa"),
    "causal": ("off", "on"),
    "window": ("open", "left", "right", "both", "wide"),
    "chunk": ("off", "on"),
    "softcap": ("off", "on"),
    "scale": ("default", "given"),
    "alibi": ("off", "head", "entry"),
    "sink": ("off", "on"),
    "dropout": ("off", "on"),
    "qv": ("off", "on"),
    "descale": ("off", "on"),
    "int8": ("off", "head", "entry"),
    "seqused_q": ("off", "on"),
    "seqused_k": ("off", "on"),
    "cache_seqlens": ("off", "int", "tensor"),
    "leftpad": ("off", "on"),
    "batch_idx": ("off", "on"),
    "page": ("off", "one", "small", "large"),
    "append": ("off", "uniform", "ragged"),
    "rotary": ("off", "pairs", "halves"),
    "rotary_seqlens": ("off", "on"),
    "splits": ("one", "auto", "many"),
    "pack_gqa": ("auto", "off", "on"),
    "metadata": ("off", "on"),
    "deterministic": ("off", "on"),
    "lse": ("off", "on"),
    "dlse": ("off", "on"),
    "layout": ("plain", "transposed", "sliced"),
    "fill": ("normal", "flat", "needle", "cancel", "outlier", "big", "const"),
}
# Levels that are chosen more often than the others, so that a case mixes a handful of features.
COMMON = {
    "q_layout": ("packed", 2),
    "kv_layout": ("packed", 2),
    "batch": ("many", 3),
    "head_dim": ("eights", 2),
    "q_len": ("short", 3),
    "kv_len": ("short", 2),
    "fill": ("normal", 3),
    "lse": ("on", 3),
    "cache_seqlens": ("tensor", 3),
    "function": ("kvcache", 2),
}
# Levels that leave nothing to attend: such a case shows little about its other features, so it is
# rare and counts only for pairs that contain the level itself.
TRIVIAL = {"batch": ("none",), "q_len": ("zero",), "kv_len": ("zero",)}
TRIVIAL_WEIGHT = 0.2
MOSTLY_FIRST = 2  # weight of a feature's first level where COMMON says nothing
# Features that most rules mention, decided first so that a dead end shows at once.
STRUCTURE = (
    "function",
    "direction",
    "dtype",
    "q_layout",
    "kv_layout",
    "cache_seqlens",
    "append",
    "rotary",
)


@dataclass(frozen=True)
class Rule:
    """Levels that cannot occur together in the named API versions, and why."""

    levels: dict[str, tuple[str, ...]]
    why: str
    apis: tuple[int, ...] = (2, 3)

    def broken(self, choice: Choice) -> bool:
        return all(choice.get(name) in levels for name, levels in self.levels.items())


def other(feature: str, *levels: str) -> tuple[str, ...]:
    """All levels of a feature but these."""
    return tuple(level for level in FEATURES[feature] if level not in levels)


NOT_CACHE = other("function", "kvcache")
VARLEN = tuple(f for f in FEATURES["function"] if f.startswith("varlen"))
PADDED = ("func", "kvpacked", "qkvpacked")
KV_PACKED = ("kvpacked", "varlen_kvpacked")
QKV_PACKED = ("qkvpacked", "varlen_qkvpacked")
RAGGED = ("ragged", "ragged_zeros")


def absent(feature: str, off: str, functions: tuple[str, ...], apis: tuple[int, ...]) -> Rule:
    return Rule(
        {feature: other(feature, off), "function": functions},
        f"these functions have no argument for {feature}",
        apis,
    )


RULES: tuple[Rule, ...] = (
    # What the signatures of the originals offer.
    Rule(
        {"function": other("function", "func", "qkvpacked", "varlen", "kvcache")}, "v2 only", (3,)
    ),
    Rule({"dtype": ("fp8",)}, "fp8 inputs are part of v3 only", (2,)),
    absent("q_layout", "padded", PADDED, (2, 3)),
    absent("q_layout", "packed", VARLEN, (2,)),
    absent("kv_layout", "padded", (*PADDED, *CACHE), (2, 3)),
    absent("kv_layout", "packed", VARLEN, (2,)),
    Rule({"q_layout": ("packed",), "function": CACHE}, "no cu_seqlens_q in the v2 cache", (2,)),
    absent("dropout", "off", FEATURES["function"], (3,)),
    absent("dropout", "off", CACHE, (2,)),
    absent("qv", "off", FEATURES["function"], (2,)),
    absent("qv", "off", QKV_PACKED, (3,)),
    absent("descale", "off", FEATURES["function"], (2,)),
    absent("int8", "off", NOT_CACHE, (2,)),
    absent("int8", "off", QKV_PACKED, (3,)),
    absent("seqused_q", "off", FEATURES["function"], (2,)),
    absent("seqused_k", "off", FEATURES["function"], (2,)),
    absent("seqused_q", "off", other("function", "varlen"), (3,)),
    absent("seqused_k", "off", other("function", "varlen"), (3,)),
    absent("chunk", "off", FEATURES["function"], (2,)),
    absent("alibi", "off", FEATURES["function"], (3,)),
    absent("splits", "auto", NOT_CACHE, (2,)),
    absent("splits", "one", QKV_PACKED, (3,)),
    absent("pack_gqa", "auto", FEATURES["function"], (2,)),
    absent("pack_gqa", "auto", QKV_PACKED, (3,)),
    absent("metadata", "off", FEATURES["function"], (2,)),
    absent("metadata", "off", NOT_CACHE, (3,)),
    absent("deterministic", "off", CACHE, (2, 3)),
    absent("page", "off", other("function", "varlen", "kvcache"), (2,)),
    absent("page", "off", NOT_CACHE, (3,)),
    *(
        absent(feature, "off", NOT_CACHE, (2, 3))
        for feature in ("cache_seqlens", "leftpad", "batch_idx", "append", "rotary")
    ),
    Rule({"append": ("ragged",)}, "v2 has no cu_seqlens_k_new", (2,)),
    Rule({"rotary_seqlens": ("on",)}, "v2 has no rotary_seqlens", (2,)),
    # What the functions' layouts imply.
    Rule({"function": QKV_PACKED, "kv_len": other("kv_len", "same")}, "one tensor, one length"),
    Rule({"function": KV_PACKED + QKV_PACKED, "value_dim": ("other",)}, "one tensor, one dim"),
    Rule({"function": QKV_PACKED, "heads": ("gqa", "mqa")}, "qkv has one head count", (2,)),
    Rule({"batch": ("one", "none"), "q_len": RAGGED}, "one sequence has one length"),
    Rule({"batch": ("one", "none"), "kv_len": RAGGED}, "one sequence has one length"),
    Rule({"batch": ("none",), "append": other("append", "off")}, "nothing to append to"),
    Rule({"q_layout": ("padded",), "q_len": RAGGED}, "padded queries have one length"),
    Rule(
        {"kv_layout": ("padded",), "function": NOT_CACHE, "kv_len": RAGGED},
        "padded keys have one length",
    ),
    Rule({"kv_layout": ("packed",), "batch": ("none",)}, "max_seqlen of no sequence is undefined"),
    Rule(
        {"kv_layout": ("padded",), "function": VARLEN, "q_len": RAGGED, "kv_len": ("same",)},
        "padded keys have one length",
    ),
    Rule({"function": CACHE, "cache_seqlens": ("off", "int"), "kv_len": RAGGED}, "one length"),
    Rule({"q_layout": ("packed",), "batch": ("none",)}, "max_seqlen of no sequence is undefined"),
    # What needs something else.
    Rule({"dlse": ("on",), "direction": ("fwd",)}, "gradient of lse is a backward input"),
    Rule({"dlse": ("on",), "lse": ("off",)}, "the gradient of a result that was not asked for"),
    Rule({"deterministic": ("on",), "direction": ("fwd",)}, "concerns the backward pass"),
    Rule({"descale": ("on",), "dtype": other("dtype", "fp8")}, "descales belong to fp8"),
    Rule({"append": other("append", "off"), "cache_seqlens": ("off",)}, "where to append"),
    Rule({"rotary": other("rotary", "off"), "append": ("off",)}, "rotary needs new keys"),
    Rule({"rotary_seqlens": ("on",), "rotary": ("off",)}, "positions of no rotation"),
    Rule({"rotary": other("rotary", "off"), "head_dim": ("one",)}, "rotation turns pairs"),
    Rule({"leftpad": ("on",), "kv_len": ("zero",)}, "no keys to pad"),
    Rule({"dropout": ("on",), "page": other("page", "off")}, "inference only, as the original"),
    # What is refused, as by the originals.
    Rule({"function": CACHE, "direction": ("bwd",)}, "the cache functions have no gradient"),
    Rule({"page": other("page", "off"), "direction": ("bwd",)}, "pages have no gradient"),
    Rule({"dtype": ("fp8",), "direction": ("bwd",)}, "fp8 has no gradient"),
    Rule({"int8": ("head", "entry"), "direction": ("bwd",)}, "int8 has no gradient"),
    Rule({"int8": ("head", "entry"), "dtype": ("fp8",)}, "two scales of keys"),
    Rule({"dtype": ("fp8",), "rotary": other("rotary", "off")}, "tables of 3-bit cosines"),
    Rule({"dtype": ("fp8",), "qv": ("on",)}, "qv in fp8 has no descale of its own"),
)


def rules_of(api: int) -> list[Rule]:
    return [rule for rule in RULES if api in rule.apis]


def weight_of(feature: str, level: str) -> float:
    if level in TRIVIAL.get(feature, ()):
        return TRIVIAL_WEIGHT
    favourite, weight = COMMON.get(feature, (FEATURES[feature][0], MOSTLY_FIRST))
    return weight if level == favourite else 1.0


def shuffled(rng: random.Random, feature: str) -> list[str]:
    """Levels in a random, weighted order."""
    keys = {level: rng.random() ** (1.0 / weight_of(feature, level)) for level in FEATURES[feature]}
    return sorted(keys, key=keys.__getitem__, reverse=True)


def complete(
    rng: random.Random, api: int, wanted: Choice, rules: list[Rule] | None = None
) -> Choice | None:
    """A random choice that contains `wanted` and breaks no rule, or None if there is none.

    Backtracking: wanted features, then STRUCTURE, then the others in random order.
    """
    rules = rules_of(api) if rules is None else rules
    free = [name for name in FEATURES if name not in wanted and name not in STRUCTURE]
    rng.shuffle(free)
    order = [name for name in STRUCTURE if name not in wanted] + free
    choice = dict(wanted)
    if any(rule.broken(choice) for rule in rules):
        return None
    by_feature = {name: [r for r in rules if name in r.levels] for name in order}
    return search(rng, choice, order, by_feature)


def search(
    rng: random.Random, choice: Choice, order: list[str], rules: dict[str, list[Rule]]
) -> Choice | None:
    if not order:
        return dict(choice)
    feature, rest = order[0], order[1:]
    for level in shuffled(rng, feature):
        choice[feature] = level
        if not any(rule.broken(choice) for rule in rules[feature]):
            found = search(rng, choice, rest, rules)
            if found is not None:
                return found
        del choice[feature]
    return None


Pair = tuple[str, str, str, str]


def is_trivial(feature: str, level: str) -> bool:
    return level in TRIVIAL.get(feature, ())


def pairs_of(choice: Choice) -> set[Pair]:
    """The pairs of levels that a choice tests, as (feature, level, feature, level)."""
    items = sorted(choice.items())
    pairs = {(*a, *b) for i, a in enumerate(items) for b in items[i + 1 :]}
    if any(is_trivial(*item) for item in items):
        pairs = {p for p in pairs if is_trivial(*p[:2]) or is_trivial(*p[2:])}
    return pairs


def all_pairs(api: int) -> list[Pair]:
    names = sorted(FEATURES)
    return [
        (a, x, b, y)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        for x in FEATURES[a]
        for y in FEATURES[b]
    ]


def possible_pairs(api: int, rng: random.Random, more: tuple[Rule, ...] = ()) -> set[Pair]:
    """Pairs that some complete choice contains; `more` are rules of a back end."""
    rules = [*rules_of(api), *more]
    found: set[Pair] = set()
    for pair in all_pairs(api):
        if pair not in found:
            choice = substantial(rng, api, {pair[0]: pair[1], pair[2]: pair[3]}, rules)
            if choice is not None:
                found |= pairs_of(choice)
    return found


def substantial(rng: random.Random, api: int, wanted: Choice, rules: list[Rule]) -> Choice | None:
    """Like `complete`, without trivial levels that are not wanted."""
    avoid = [
        Rule({name: levels}, "nothing to attend")
        for name, levels in TRIVIAL.items()
        if name not in wanted
    ]
    return complete(rng, api, wanted, [*rules, *avoid])


def generate_choices(api: int, count: int, seed: int, more: tuple[Rule, ...] = ()) -> list[Choice]:
    """`count` choices that together contain every possible pair; more only if count is too small.

    Half of the budget is random; the rest is aimed at pairs that have not occurred yet. `more` are
    rules of a back end.
    """
    rng = random.Random(f"{api}-{seed}")
    rules = [*rules_of(api), *more]
    choices: list[Choice] = []
    covered: set[Pair] = set()

    def add(choice: Choice | None) -> None:
        if choice is not None:
            choices.append(choice)
            covered.update(pairs_of(choice))

    for _ in range(count // 2):
        add(complete(rng, api, {}, rules))
    for pair in all_pairs(api):
        if pair not in covered:
            add(substantial(rng, api, {pair[0]: pair[1], pair[2]: pair[3]}, rules))
    while len(choices) < count:
        add(complete(rng, api, {}, rules))
    rng.shuffle(choices)
    return choices
