"""Cases of caches, chunks, sinks, ALiBi and splits, on top of those of the other kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from npu import generated, generated_mla
from npu.forward_case import Case

CASES = 120

SINKS = ("", "fp32", "fp16", "bf16")
ALIBI = ("", "", "", "heads", "batch", "columns")
SPLITS = (1, 1, 2, 3, 7)


def draw(seed: int) -> Case:
    rng = np.random.default_rng(202_000 + seed)

    def one_of(options: Any) -> Any:
        return options[int(rng.integers(len(options)))]

    source = generated_mla if rng.random() < 0.25 else generated
    case: Case = source.draw(2000 + seed)
    batch = len(case.kv_lengths)
    if case.kv_layout != "packed":
        case = replace(case, **_cache(rng, case, batch))
    if rng.random() < 0.4:
        case = replace(case, chunk=int(rng.integers(1, max(case.kv_lengths) + 40)))
    plain = generated.features(case)["bucket"] != "mla"
    alibi = one_of(ALIBI) if plain else ""
    if alibi == "columns":  # v2 has it with a causal mask only
        case = replace(case, window=(-1, 0), chunk=0)
    sinks = "" if alibi else one_of(SINKS)
    return replace(case, alibi=alibi, sinks=sinks, splits=one_of(SPLITS))


def _cache(rng: np.random.Generator, case: Case, batch: int) -> dict[str, Any]:
    found: dict[str, Any] = {"batch_idx": bool(rng.random() < 0.5)}
    if rng.random() < 0.5:
        found["leftpad"] = generated.lengths_of(rng, 0, 200, batch)
    if rng.random() < 0.7:
        new = [int(rng.integers(0, n + 1)) for n in case.kv_lengths]
        alike = rng.random() < 0.4 and min(case.kv_lengths) > 0
        if alike:
            new = [int(rng.integers(1, min(case.kv_lengths) + 1))] * batch
        if sum(new) > 0:
            found["new_lengths"] = tuple(new)
    return found


def features(case: Case) -> dict[str, str]:
    """As in generated.py, of what pairs with these options."""
    named = generated.features(case)
    kept = ("dtype", "layout", "mask", "packed heads", "task", "keys", "softcap", "cores")
    new = len(set(case.new_lengths))
    return {name: named[name] for name in kept} | {
        "chunk": str(case.chunk > 0),
        "bucket": "mla" if named["bucket"] == "mla" else "plain",
        "leftpad": str(bool(case.leftpad)),
        "new": "none" if new == 0 else "alike" if new == 1 else "ragged",
        "rows": str(case.batch_idx),
        "sinks": case.sinks,
        "alibi": case.alibi,
        "splits": str(case.splits > 1),
    }


def impossible(pair: tuple[str, str]) -> bool:
    """Packed keys are no cache; ALiBi is v2's, sinks and chunks are v3's, and mla has no ALiBi."""
    names = [entry.partition("=") for entry in pair]
    words = {f"{name}={value}" for name, _, value in names}
    packed = any(name == "layout" and value.endswith(" packed") for name, _, value in names)
    cache = words & {"leftpad=True", "new=alike", "new=ragged", "rows=True"}
    if packed and cache:
        return True
    if words == {"bucket=mla", "task=wide"} or (
        "keys=0" in words and words & {"new=alike", "new=ragged"}
    ):
        return True
    alibi = {name: value for name, _, value in names}.get("alibi", "")
    if not alibi:
        return False
    sinks = any(name == "sinks" and value for name, _, value in names)
    causal = all(value == " right" for name, _, value in names if name == "mask")
    chunk = "chunk=True" in words
    return sinks or "bucket=mla" in words or (alibi == "columns" and (chunk or not causal))
