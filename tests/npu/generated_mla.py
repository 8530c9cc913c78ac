"""Cases of the mla kernels drawn from seeds: qv, and head dims that no other kernel takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from npu import generated
from npu.forward_case import Case

CASES = 150

DIMS = ("usual", "small", "odd", "large", "wide", "wide without qv")
HEADS = ((16, 1, 16), (128, 1, 128), (4, 2, 2), (3, 3, 1), (24, 2, 12), (5, 1, 1))
QUERIES = ("one", "few", "many")
KEYS = ("none", "short", "one stack", "stacks")
TASK_ROWS = (16, 32, 64, 128)
MOST_COLUMNS = 576


def _dims(rng: np.random.Generator, kind: str) -> tuple[int, int]:
    if kind == "usual":
        return 64, 512
    if kind == "small":
        return int(rng.integers(1, 40)), int(rng.integers(1, 64))
    if kind == "odd":
        return int(rng.integers(1, 120)) | 1, int(rng.integers(100, 440)) | 1
    if kind == "large":
        return int(rng.integers(1, 65)), int(rng.integers(257, 513))
    if kind == "wide":  # as wide as it gets
        value_dim = 16 * int(rng.integers(4, 20))
        return MOST_COLUMNS - value_dim - int(rng.choice([0, 7])), value_dim
    return int(rng.integers(257, 513)), int(rng.integers(1, 513))


def draw(seed: int) -> Case:
    rng = np.random.default_rng(100_000 + seed)

    def one_of(options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    queries, keys, mask, kind = one_of(QUERIES), one_of(KEYS), one_of(generated.MASKS), one_of(DIMS)
    batch = int(rng.integers(1, 4))
    q_range = {"one": (1, 1), "few": (0, 5), "many": (30, 150)}[queries]
    kv_range = {"none": (0, 0), "short": (0, 140), "one stack": (200, 512), "stacks": (520, 1400)}
    q_lengths = generated.lengths_of(rng, *q_range, batch)
    kv_lengths = generated.lengths_of(rng, *kv_range[keys], batch)
    heads, kv_heads, packed = one_of(HEADS)
    if queries == "many" and heads > 5:  # the oracle's time
        heads, kv_heads, packed = 4, 2, 2
    q_layout, kv_layout = one_of(generated.LAYOUTS)
    dim, value_dim = _dims(rng, kind)
    strides = one_of(generated.STRIDES)
    if strides == "wide":  # 128 KiB for each token
        q_lengths = tuple(min(n, 60) for n in q_lengths)
        kv_lengths = tuple(min(n, 130) for n in kv_lengths)
    qv = kind != "wide without qv"
    return Case(
        seed=seed,
        dtype=one_of(generated.DTYPES),
        q_lengths=q_lengths,
        kv_lengths=kv_lengths,
        q_heads=heads,
        kv_heads=kv_heads,
        packed_heads=packed,
        task_rows=one_of([rows for rows in TASK_ROWS if rows >= packed]),
        head_dim=dim,
        value_dim=value_dim,
        qv=qv,
        joined=qv and bool(rng.random() < 0.5),
        q_layout=q_layout,
        kv_layout=kv_layout,
        strides=strides,
        seqused=bool(rng.random() < 0.4),
        window=generated.window_of(rng, mask, max(kv_lengths)),
        softcap=float(one_of((0.0, 0.0, 5.0, 30.0))),
        scale=one_of((None, None, 0.3, -0.05)),
        page_size=one_of(generated.PAGE_SIZES),
        lse=one_of(generated.LSES),
        cores=one_of((1, 2, 3, 7, 24)),
        magnitude=float(one_of((0.3, 1.0, 3.0))),
    )


def features(case: Case) -> dict[str, str]:
    """As in generated.py."""
    named = generated.features(case)
    del named["bucket"], named["task"], named["group"]
    width = "wide" if case.value_dim > 256 else "half" if case.value_dim > 128 else "small"
    return named | {
        "values": width,
        "keys of": "qv" if case.qv else "k alone",
        "joined": str(case.joined),
        "rows": str(case.packed_heads * max(case.q_lengths) >= case.task_rows),
    }


IMPOSSIBLE = {
    *generated.IMPOSSIBLE,
    ("joined=True", "keys of=k alone"),
}
