"""Cases drawn from seeds, over every feature the kernels have."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from npu.forward_case import Case, bucket_of

CASES = 260

# What a case is made of; `features` says what a case has, and a test that all pairs occur.
DTYPES = ("fp16", "bf16")
LAYOUTS = (("padded", "padded"), ("packed", "packed"), ("padded", "paged"), ("packed", "paged"))
MASKS = ("none", "causal", "left", "both", "right")
HEADS = ((1, 1, 1), (2, 2, 1), (4, 2, 1), (4, 2, 2), (6, 2, 3), (8, 1, 8), (16, 2, 8), (5, 5, 1))
DIMS = ("small", "odd", "usual", "wide keys", "large")
QUERIES = ("one", "short", "long")
KEYS = ("none", "short", "one stack", "stacks")
STRIDES = ("bshd", "bhsd", "gaps", "wide")
LSES = ("inf", "-inf", "none")
PAGE_SIZES = (1, 7, 16, 128, 300)


def _dims(rng: np.random.Generator, kind: str) -> tuple[int, int]:
    if kind == "small":
        d, dv = rng.integers(1, 17, 2)
    elif kind == "odd":
        d, dv = rng.integers(17, 129, 2) | 1
        d, dv = min(d, 127), min(dv, 127)
    elif kind == "usual":
        d = dv = int(rng.choice([32, 64, 96, 128]))
    elif kind == "wide keys":
        d, dv = int(rng.integers(9, 13)) * 16 - int(rng.choice([0, 0, 5])), rng.integers(1, 129)
    else:
        d, dv = rng.integers(1, 257, 2)
        d = max(d, 129) if rng.random() < 0.5 or dv < 129 else d
    return int(d), int(dv)


def window_of(rng: np.random.Generator, mask: str, longest: int) -> tuple[int, int]:
    left, right = (int(x) for x in rng.integers(0, max(longest, 1) + 1, 2))
    return {
        "none": (-1, -1),
        "causal": (-1, 0),
        "left": (left, -1),
        "both": (left, right),
        "right": (-1, right),
    }[mask]


def lengths_of(rng: np.random.Generator, low: int, high: int, batch: int) -> tuple[int, ...]:
    drawn = rng.integers(low, high + 1, batch)
    return tuple(int(n) for n in drawn)


def draw(seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def one_of(options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    queries, keys, mask = one_of(QUERIES), one_of(KEYS), one_of(MASKS)
    batch = int(rng.integers(1, 4))
    q_range = {"one": (1, 1), "short": (0, 40), "long": (100, 330)}[queries]
    kv_range = {"none": (0, 0), "short": (0, 140), "one stack": (200, 512), "stacks": (520, 1400)}
    q_lengths = lengths_of(rng, *q_range, batch)
    kv_lengths = lengths_of(rng, *kv_range[keys], batch)
    heads, kv_heads, packed = one_of(HEADS)
    if queries == "long" and keys == "stacks" and heads > 4:  # the oracle's time
        heads, kv_heads, packed = 4, 2, 2
    q_layout, kv_layout = one_of(LAYOUTS)
    dim, value_dim = _dims(rng, one_of(DIMS))
    strides = one_of(STRIDES)
    if strides == "wide":  # 128 KiB for each token
        q_lengths = tuple(min(n, 130) for n in q_lengths)
        kv_lengths = tuple(min(n, 130) for n in kv_lengths)
    return Case(
        seed=seed,
        dtype=one_of(DTYPES),
        q_lengths=q_lengths,
        kv_lengths=kv_lengths,
        q_heads=heads,
        kv_heads=kv_heads,
        packed_heads=packed,
        task_rows=one_of(
            (16, 64, 128, 224) if value_dim > 128 or dim > 192 else (16, 128, 256, 256)
        ),
        rest_rows=one_of((0, 0, 16)),
        cut_blocks=one_of((0, 1, 2)),
        head_dim=dim,
        value_dim=value_dim,
        q_layout=q_layout,
        kv_layout=kv_layout,
        strides=strides,
        seqused=bool(rng.random() < 0.4),
        window=window_of(rng, mask, max(kv_lengths)),
        softcap=float(one_of((0.0, 0.0, 5.0, 30.0))),
        scale=one_of((None, None, 0.3, -0.05)),
        page_size=one_of(PAGE_SIZES),
        lse=one_of(LSES),
        cores=one_of((1, 2, 3, 7, 24)),
        magnitude=float(one_of((0.3, 1.0, 3.0))),
    )


def features(case: Case) -> dict[str, str]:
    left, right = case.window
    longest_q, longest_kv = max(case.q_lengths), max(case.kv_lengths)
    return {
        "dtype": case.dtype,
        "layout": f"{case.q_layout} {case.kv_layout}",
        "mask": f"{'left' if left >= 0 else ''} {'right' if right >= 0 else ''}",
        "packed heads": str(case.packed_heads > 1),
        "group": str(case.q_heads > case.kv_heads),
        "bucket": bucket_of(case.head_dim, case.value_dim, case.qv).name,
        "task": "wide" if case.task_rows > 128 else "narrow",
        "cut": "rest" if case.rest_rows and case.cut_blocks else "even",
        "odd": str(case.head_dim % 16 != 0),
        "queries": "1" if longest_q <= 1 else "short" if longest_q <= 40 else "long",
        "keys": "0" if longest_kv == 0 else "one stack" if longest_kv <= 512 else "stacks",
        "strides": case.strides,
        "seqused": str(case.seqused),
        "softcap": str(case.softcap > 0),
        "scale": str(case.scale),
        "lse": case.lse,
        "cores": "1" if case.cores == 1 else "several" if case.cores < 24 else "24",
    }


# Wide strides keep sequences short, which the memory of the test allows.
# The larger bucket has no wide tasks.
IMPOSSIBLE = {("keys=stacks", "strides=wide"), ("bucket=d256", "task=wide")}


def missing_pairs(cases: list[dict[str, str]]) -> set[tuple[str, str]]:
    """Pairs of values of two features, as "name=value", that no case has."""
    named = [sorted(f"{name}={value}" for name, value in case.items()) for case in cases]
    found = {pair for case in named for pair in itertools.combinations(case, 2)}
    values = {entry for case in named for entry in case}
    return {
        (a, b)
        for a, b in itertools.combinations(sorted(values), 2)
        if a.partition("=")[0] != b.partition("=")[0] and (a, b) not in found
    }
