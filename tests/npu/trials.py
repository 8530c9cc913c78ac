"""Which kernels are run with defects, and in which cases: small ones that use all of their code.

Of kernels from the same source one dtype is run, since no line depends on it but for casts that the
combine kernel for fp32 and int8 kernels for fp16 leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from npu import append_case, combine_case, forward_case
from npu.forward_case import Case
from npu.mutants import Trial

_FULL = Case(head_dim=128, value_dim=128, task_rows=256)
# Tasks of all rows in chunks of as many as there can be, both sides of a window, sinks; tasks
# without keys; splits; packed sequences, odd dims and a window; pages, packed heads, a negative
# scale; causal, ragged, GQA and softcap; several tasks of several units, of two sizes; no keys at
# all; keys that one row sees, at ends of blocks of columns, tiles and units; a task of one row,
# behind smaller ones, and behind 128 rows that see no key; windows that begin in one unit for 128
# rows and in the next for the others, with long units and short ones.
D128 = (
    replace(_FULL, q_lengths=(256,) * 5, kv_lengths=(128,) * 5, window=(60, 30), sinks="fp32"),
    Case(
        q_lengths=(40, 3, 70, 0, 9),
        kv_lengths=(90, 0, 576, 4, 0),
        window=(-1, 0),
        head_dim=128,
        value_dim=128,
    ),
    Case(
        q_lengths=(40, 9),
        kv_lengths=(700, 90),
        q_layout="packed",
        seqused=True,
        splits=3,
        head_dim=128,
        value_dim=128,
    ),
    Case(
        q_lengths=(260,),
        kv_lengths=(1100,),
        q_layout="packed",
        kv_layout="packed",
        outside=True,
        window=(300, 20),
        head_dim=127,
        value_dim=125,
        task_rows=256,
    ),
    replace(
        _FULL,
        q_lengths=(9, 130),
        kv_lengths=(1300, 700),
        kv_layout="paged",
        page_size=48,
        scale=-0.05,
        q_heads=4,
        kv_heads=2,
        packed_heads=2,
    ),
    replace(
        _FULL,
        q_lengths=(300, 40, 290),
        kv_lengths=(1300, 90, 700),
        window=(-1, 0),
        q_heads=2,
        softcap=5.0,
        sinks="fp32",
    ),
    replace(_FULL, q_lengths=(600,), kv_lengths=(2200,), cut_blocks=1, rest_rows=176),
    Case(q_lengths=(5,) * 4, kv_lengths=(0,) * 4, head_dim=128, value_dim=128),
    replace(_FULL, q_lengths=(67, 3), kv_lengths=(1153, 1089), window=(575, 0)),
    replace(
        _FULL, q_lengths=(433,), kv_lengths=(90,), cut_blocks=1, rest_rows=176, q_heads=2, cores=2
    ),
    replace(_FULL, q_lengths=(257,), kv_lengths=(100,), cut_blocks=2, window=(-1, 0)),
    replace(_FULL, q_lengths=(256,), kv_lengths=(2252,), window=(1100, 0)),
    replace(_FULL, q_lengths=(256,), kv_lengths=(1700,), window=(548, 0)),
)


def of_bucket(
    head_dim: int, value_dim: int, task_rows: int, cases: Sequence[Case] = D128
) -> tuple[Case, ...]:
    """The cases at other head dims; odd ones stay odd."""
    return tuple(
        replace(
            case,
            head_dim=head_dim - (128 - case.head_dim),
            value_dim=value_dim - (128 - case.value_dim),
            task_rows=min(case.task_rows, task_rows),
        )
        for case in cases
    )


_LATENT = Case(head_dim=64, value_dim=512, qv=True)
# As above, of kernels whose cube core works in another order.
MLA = (
    replace(_LATENT, q_lengths=(128,) * 5, kv_lengths=(64,) * 5, window=(40, 20), sinks="fp32"),
    replace(_LATENT, q_lengths=(260,), kv_lengths=(2200,), scale=-0.05, lse="none"),
    replace(
        _LATENT,
        q_lengths=(3, 1),
        kv_lengths=(1300, 700),
        q_heads=64,
        packed_heads=64,
        kv_layout="paged",
        page_size=48,
        joined=True,
        window=(-1, 0),
        softcap=5.0,
    ),
    Case(
        q_lengths=(130, 20),
        kv_lengths=(1100, 300),
        q_layout="packed",
        kv_layout="packed",
        window=(300, 20),
        head_dim=300,
        value_dim=301,
        sinks="fp32",
    ),
    replace(_LATENT, q_lengths=(40, 3, 70, 0, 9), kv_lengths=(90, 0, 600, 4, 0), window=(-1, 0)),
    replace(_LATENT, q_lengths=(40, 9), kv_lengths=(1700, 90), splits=3, cores=2),
    replace(_LATENT, q_lengths=(5,) * 4, kv_lengths=(0,) * 4),
    replace(_LATENT, q_lengths=(67, 3), kv_lengths=(1153, 1089), window=(575, 0), value_dim=384),
)

# What only kernels with extras have; the third without dropout, whose flags and barriers order more
# than its own work.
_RARE = (
    replace(_FULL, q_lengths=(256,) * 3, kv_lengths=(128,) * 3, dropout=0.3, probs=True),
    replace(_FULL, q_lengths=(300,), kv_lengths=(1342,), dropout=0.3, probs=True),
    replace(
        _FULL,
        q_lengths=(140, 40),
        kv_lengths=(1300, 90),
        window=(-1, 0),
        q_heads=2,
        alibi="columns",
    ),
    Case(
        q_lengths=(40, 3, 7, 0, 9),
        kv_lengths=(90, 0, 1600, 4, 0),
        q_layout="packed",
        kv_layout="packed",
        head_dim=128,
        value_dim=128,
        dropout=0.5,
        probs=True,
        alibi="heads",
    ),
)
EXTRAS = (*(replace(case, dropout=0.3) for case in D128), *_RARE)

# Of kernels that have the extras too, in the dtype that takes more lines to cast to. In the last
# one a core of odd number casts keys of a task with few rows while another one ends.
INT8 = tuple(
    replace(case, dtype="bf16", int8=scales)
    for cases, scales in (
        (D128, "entry"),
        ((EXTRAS[0], *_RARE), "head"),
        ((replace(D128[4], kv_lengths=(1300, 1024), cores=2),), "head"),
    )
    for case in cases
)

# The first fills all buffers, as the last of APPEND does.
COMBINE = (
    combine_case.Case(splits=128, batch=1, tokens=32, heads=1, value_dim=512, cores=1),
    combine_case.Case(splits=3, batch=1, tokens=130, heads=2, value_dim=72, cores=1),
    combine_case.Case(splits=9, batch=2, tokens=40, layout="bsh", value_dim=256, cores=2),
    combine_case.Case(splits=2, tokens=70, used=(0, 66), layout="gaps", value_dim=20, cores=1),
)

APPEND = (
    append_case.Case(
        held=(5, 0), new=(3, 3), queries=(2, 3), kv_heads=5, q_heads=10, head_dim=80, value_dim=40
    ),
    append_case.Case(
        held=(5, 70),
        new=(1, 4),
        queries=(2, 3),
        packed_new=True,
        packed_queries=True,
        kv_heads=70,
        q_heads=70,
        head_dim=127,
        rotary_dim=102,
        interleaved=True,
        page_size=7,
        batch_idx=True,
        first_positions=(3, 9),
    ),
    append_case.Case(
        held=(5,),
        new=(2,),
        queries=(1,),
        kv_heads=16,
        q_heads=32,
        head_dim=512,
        value_dim=512,
        rotary_dim=512,
        interleaved=True,
    ),
)


def trial(case: Any, suite: Any) -> Trial:
    """`suite`: the module of the case."""

    def run(sim: ModuleType, options: Any) -> tuple[Any, list[Any]]:
        problem = suite.build(case)
        result = suite.run(sim, problem, options)
        return result, [*problem.outputs, *getattr(problem, "partials", [])]

    return run


def _trials(cases: Sequence[Any], suite: Any) -> list[Trial]:
    return [trial(case, suite) for case in cases]


TRIALS: dict[str, list[Trial]] = {
    "fa_forward_fp16_d64": _trials(of_bucket(64, 64, 256), forward_case),
    "fa_forward_fp16_d128": _trials(D128, forward_case),
    "fa_forward_fp16_d192v128": _trials(of_bucket(192, 128, 256), forward_case),
    "fa_forward_fp16_d256": _trials(of_bucket(256, 256, 224), forward_case),
    "fa_forward_fp16_mla": _trials(MLA, forward_case),
    "fa_forward_fp16_d64_extras": _trials(of_bucket(64, 64, 256, EXTRAS), forward_case),
    "fa_forward_fp16_d128_extras": _trials(EXTRAS, forward_case),
    "fa_forward_fp16_d192v128_extras": _trials(of_bucket(192, 128, 256, EXTRAS), forward_case),
    "fa_forward_fp16_d256_extras": _trials(of_bucket(256, 256, 128, EXTRAS), forward_case),
    "fa_forward_bf16_d64_int8": _trials(of_bucket(64, 64, 256, INT8), forward_case),
    "fa_forward_bf16_d128_int8": _trials(INT8, forward_case),
    "fa_forward_bf16_d192v128_int8": _trials(of_bucket(192, 128, 256, INT8), forward_case),
    "fa_forward_bf16_d256_int8": _trials(of_bucket(256, 256, 128, INT8), forward_case),
    "fa_combine_fp16": _trials(COMBINE, combine_case),
    "fa_append_fp16": _trials(APPEND, append_case),
}
