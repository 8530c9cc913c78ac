"""Cases from choices: the grammar's levels become lengths, dims and numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from fa_testing.case import Case
from fa_testing.grammar import Choice, Rule, generate_choices

# Products b * hq * sq * skv * (d + dv) above this are shrunk: the oracle stays a few milliseconds.
WORK_LIMIT = 4_000_000
MAX_LEN = {"one": (1, 1), "short": (2, 17), "long": (150, 300), "zero": (0, 0), "ragged": (1, 40)}
TILE_EDGES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129)
DIMS = {"one": (1, 1), "odd": (2, 63), "eights": (1, 8), "large": (65, 256), "huge": (257, 512)}


@dataclass(frozen=True)
class Sizes:
    """How large the levels of the grammar are.

    Attributes:
      long: range of the level `long`, keys only.
      tile_edges: lengths around the ends of tiles.
      widest: the largest head dim and value dim.
      widest_extras: both with ALiBi, dropout or an int8 cache.
      qv_columns: of both together with qv, each rounded up to 16.
      work: products b * hq * sq * skv * (d + dv) above it are shrunk.
    """

    long: tuple[int, int] = MAX_LEN["long"]
    tile_edges: tuple[int, ...] = TILE_EDGES
    widest: int = 512
    qv_columns: int | None = None
    widest_extras: int = 512
    work: int = WORK_LIMIT

    def length(self, rng: random.Random, level: str) -> int:
        if level == "tile":
            return rng.choice(self.tile_edges)
        if level == "long":
            return rng.randint(*self.long)
        return rng.randint(*MAX_LEN["ragged" if level.startswith("ragged") else level])


USUAL = Sizes()


def pick_dim(rng: random.Random, level: str) -> int:
    if level == "eights":
        return 8 * rng.choice((1, 2, 4, 8, 12, 16))
    value = rng.randint(*DIMS[level])
    if level == "odd":
        return value | 1
    return rng.choice((value, 512)) if level == "huge" else value


def ragged(rng: random.Random, b: int, longest: int, zeros: bool) -> tuple[int, ...]:
    """b lengths, one of them `longest`, another zero if asked."""
    lens = [rng.randint(1, max(longest, 1)) for _ in range(b)]
    place = rng.randrange(b)
    lens[place] = longest
    if zeros and b > 1:
        lens[place - 1] = 0
    return tuple(lens)


def lengths(rng: random.Random, level: str, b: int, sizes: Sizes) -> tuple[int, ...]:
    """Lengths of b sequences of one side."""
    longest = sizes.length(rng, level)
    if level.startswith("ragged"):
        return ragged(rng, b, longest, zeros=level == "ragged_zeros")
    return (longest,) * b


def pick_shape(rng: random.Random, choice: Choice, sizes: Sizes) -> dict[str, Any]:
    b = {"one": 1, "many": rng.randint(2, 4), "none": 0}[choice["batch"]]
    hkv = 1 if choice["heads"] == "mqa" else rng.randint(1, 3)
    group = 1 if choice["heads"] == "mha" else rng.randint(2, 4)
    d = pick_dim(rng, choice["head_dim"])
    other = pick_dim(rng, rng.choice(("odd", "eights", "large", "huge", "one")))
    dv = (other - 1) % sizes.widest + 1 if choice["value_dim"] == "other" else 0
    if any(choice[name] != "off" for name in ("alibi", "dropout", "int8")):
        d, dv = min(d, sizes.widest_extras), min(dv, sizes.widest_extras)
    if choice["qv"] == "on" and sizes.qv_columns:
        d = min(d, sizes.qv_columns - 16)
        most = sizes.qv_columns - -(-d // 16) * 16
        dv = min(dv or d, most)
    return {
        "b": b,
        "hkv": hkv,
        "hq": hkv * group,
        "d": d,
        "dv": dv,
    }


def pick_lengths(rng: random.Random, choice: Choice, b: int, sizes: Sizes) -> dict[str, Any]:
    """sq, skv and the ragged lengths; for caches skv is the row's capacity."""
    q = lengths(rng, choice["q_len"], b, sizes)
    if choice["kv_len"] == "same":
        kv = (max(q),) * b if choice["cache_seqlens"] == "int" and b else q
    elif choice["kv_len"].startswith("ragged"):
        kv = lengths(rng, choice["kv_len"], b, sizes)
    else:
        kv = (sizes.length(rng, choice["kv_len"]),) * b
    sq = max(q, default=sizes.length(rng, "short"))
    skv = max(kv, default=sizes.length(rng, "short"))
    if choice["kv_len"] == "same":
        skv = sq
    values: dict[str, Any] = {"sq": sq, "skv": skv}
    function = choice["function"]
    if function.startswith("varlen"):
        values |= {"q_lens": q, "kv_lens": kv}
        values["padded_q"] = choice["q_layout"] == "padded"
        values["padded_k"] = choice["kv_layout"] == "padded"
    elif choice["q_layout"] == "packed":
        values["q_lens"] = q
    if function == "kvcache" and choice["cache_seqlens"] != "off":
        values["kv_lens"] = kv
        values["int_seqlens"] = choice["cache_seqlens"] == "int"
    return values


def pick_used(rng: random.Random, values: dict[str, Any], choice: Choice) -> dict[str, Any]:
    used = {}
    for name, lens in (("used_q", "q_lens"), ("used_k", "kv_lens")):
        if choice["seqused_" + name[-1]] == "on":
            used[name] = tuple(
                rng.choice((n, rng.randint(0, n), rng.randint((n + 1) // 2, n)))
                for n in values[lens]
            )
    return used


def pick_cache(rng: random.Random, choice: Choice, values: dict[str, Any]) -> dict[str, Any]:
    """Paging, new keys and what depends on them."""
    if choice["function"] != "kvcache":
        return {"page": pick_page(rng, choice)} if choice["page"] != "off" else {}
    b, held = values["b"], values.get("kv_lens", ())
    cache: dict[str, Any] = {"page": pick_page(rng, choice)}
    if choice["append"] != "off":
        longest = rng.choice((1, rng.randint(1, 20)))
        cache["ragged_new"] = choice["append"] == "ragged"
        cache["new"] = (longest,) * b
        if cache["ragged_new"] and b:
            cache["new"] = ragged(rng, b, longest, zeros=rng.random() < 0.3)
    if choice["cache_seqlens"] != "off":
        fresh = cache.get("new", (0,) * b)
        needed = max((n + m for n, m in zip(held, fresh, strict=True)), default=values["skv"])
        cache["skv"] = max(needed + rng.choice((0, 1, 7)), 1)
    if choice["batch_idx"] == "on":
        cache |= {"batch_idx": True, "rows": b + rng.randint(0, 2)}
    if choice["leftpad"] == "on":
        full = held or (cache.get("skv", values["skv"]),) * b
        cache["leftpad"] = tuple(rng.choice((0, n, rng.randint(0, n))) for n in full)
        if choice["kv_len"] != "one":
            cache["leftpad"] = tuple(rng.randint(0, n // 2) for n in full)
    return cache


def pick_page(rng: random.Random, choice: Choice) -> int:
    return {"off": 0, "one": 1, "small": rng.choice((2, 3, 4, 7, 16)), "large": 256}[choice["page"]]


def pick_rotary(rng: random.Random, choice: Choice, d: int) -> dict[str, Any]:
    if choice["rotary"] == "off":
        return {}
    limit = d // 2
    half = 8 * rng.randint(1, limit // 8) if limit >= 8 and rng.random() < 0.7 else limit
    return {
        "rotary": 2 * max(half, 1),
        "halves": choice["rotary"] == "halves",
        "rotary_seqlens": choice["rotary_seqlens"] == "on",
    }


def pick_window(rng: random.Random, choice: Choice, values: dict[str, Any]) -> tuple[int, int]:
    near = (0, 1, rng.randint(0, 8), rng.randint(0, 70))
    open_side = rng.choice((-1, -1, -3))
    return {
        "open": (-1, -1),
        "left": (rng.choice(near), open_side),
        "right": (open_side, rng.choice(near)),
        "both": (rng.choice(near), rng.choice(near)),
        "wide": (
            values["skv"] + rng.randint(-2, 2),
            rng.choice((values["skv"], values["sq"], 500)),
        ),
    }[choice["window"]]


def pick_scoring(rng: random.Random, choice: Choice) -> dict[str, Any]:
    def on(name: str) -> bool:
        return choice[name] == "on"

    return {
        "causal": on("causal"),
        "chunk": rng.choice((1, 4, rng.randint(2, 40))) if on("chunk") else 0,
        "softcap": rng.choice((1.0, 5.0, 30.0)) if on("softcap") else 0.0,
        "scale": rng.choice((0.125, 0.3, -0.2)) if choice["scale"] == "given" else 0.0,
        "alibi": "" if choice["alibi"] == "off" else choice["alibi"],
        "sink": on("sink"),
        "dropout": rng.choice((0.1, 0.25, 0.5)) if on("dropout") else 0.0,
        "qv": on("qv"),
        "descale": on("descale"),
        "int8": "" if choice["int8"] == "off" else choice["int8"],
    }


def pick_plan(rng: random.Random, api: int, choice: Choice) -> dict[str, Any]:
    return {
        "splits": {"one": 1, "auto": 0, "many": rng.choice((2, 3, 7))}[choice["splits"]],
        "sm_margin": rng.choice((0, 0, 1)) if api == 3 else 0,
        "pack_gqa": {"auto": -1, "off": 0, "on": 1}[choice["pack_gqa"]],
        "metadata": choice["metadata"] == "on",
        "deterministic": choice["deterministic"] == "on",
        "lse": choice["lse"] == "on",
        "dlse": choice["dlse"] == "on",
        "layout": choice["layout"],
        "fill": choice["fill"],
    }


def work(case: Case) -> int:
    return max(case.b, 1) * case.hq * case.sq * case.skv * (case.d + case.value_dim)


def expand(rng: random.Random, api: int, choice: Choice, sizes: Sizes = USUAL) -> Case:
    """A concrete case of `choice`; draws again while the oracle would take too long."""
    for attempt in range(100):
        values = pick_shape(rng, choice, sizes)
        values |= pick_lengths(rng, choice, values["b"], sizes)
        values |= pick_used(rng, values, choice)
        values |= pick_cache(rng, choice, values)
        values |= pick_rotary(rng, choice, values["d"])
        values["window"] = pick_window(rng, choice, values)
        values |= pick_scoring(rng, choice)
        values |= pick_plan(rng, api, choice)
        case = Case(
            api=api,
            function=choice["function"],
            direction=choice["direction"],
            dt=choice["dtype"],
            seed=rng.randrange(10**6),
            **values,
        )
        if work(case) <= sizes.work * (1 + attempt):
            break
    return case


def generate_cases(
    api: int, count: int, seed: int, more: tuple[Rule, ...] = (), sizes: Sizes = USUAL
) -> list[Case]:
    """At least `count` cases that cover all possible pairs; the same for the same arguments."""
    rng = random.Random(f"cases-{api}-{seed}")
    choices = generate_choices(api, count, seed, more)
    return [expand(rng, api, choice, sizes) for choice in choices]
