"""What every parameter of every public function is expected to do.

Per function: the arguments of a plain call, and per parameter a change to them with its effect:
  result    a returned value (or a cache) differs,
  returns   the form of what is returned differs (number of results, dtype, identity),
  plan      only the plan differs, which `_C.last_plan()` shows,
  raises    the call is refused.
A change may need another starting point (`base`): rotary style needs rotary tables, for example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Effect:
    kind: str
    change: Arguments
    base: Arguments = field(default_factory=dict)
    backward: bool = False  # observed after a backward pass


@dataclass(frozen=True)
class Table:
    """The plain call of one function and the effect of each parameter."""

    arguments: Callable[[], Arguments]
    effects: Callable[[], dict[str, Effect]]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def lengths(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def fp8(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, seed=seed).to(torch.float8_e4m3fn)


def result(base: Arguments | None = None, **change: Any) -> Effect:
    return Effect("result", change, base or {})


def returns(**change: Any) -> Effect:
    return Effect("returns", change)


def plan(base: Arguments | None = None, backward: bool = False, **change: Any) -> Effect:
    return Effect("plan", change, base or {}, backward)


def raises(base: Arguments | None = None, **change: Any) -> Effect:
    return Effect("raises", change, base or {})


# ---- padded and packed attention ----------------------------------------------------------------


def dense() -> Arguments:
    return {"q": normal(2, 5, 4, 16), "k": normal(2, 9, 2, 16), "v": normal(2, 9, 2, 16, seed=1)}


def kvpacked() -> Arguments:
    return {"q": normal(2, 5, 4, 16), "kv": normal(2, 9, 2, 2, 16)}


def qkvpacked() -> Arguments:
    return {"qkv": normal(2, 9, 3, 2, 16)}


def varlen() -> Arguments:
    return {
        "q": normal(10, 4, 16),
        "k": normal(18, 2, 16),
        "v": normal(18, 2, 16, seed=1),
        "cu_seqlens_q": lengths(0, 4, 10),
        "cu_seqlens_k": lengths(0, 9, 18),
        "max_seqlen_q": 6,
        "max_seqlen_k": 9,
    }


def varlen_kvpacked() -> Arguments:
    x = varlen()
    del x["k"], x["v"]
    return x | {"kv": normal(18, 2, 2, 16)}


def varlen_qkvpacked() -> Arguments:
    return {"qkv": normal(10, 3, 2, 16), "cu_seqlens": lengths(0, 4, 10), "max_seqlen": 6}


# Two threads and enough work and keys that the backward pass is worth splitting.
LONG = {"q": normal(1, 64, 1, 32), "k": normal(1, 1024, 1, 32), "v": normal(1, 1024, 1, 32, seed=1)}
LONG_PACKED = {"qkv": normal(1, 1024, 3, 1, 32)}


def long_varlen() -> Arguments:
    packed = {name: x[0] for name, x in LONG.items()}
    return packed | {
        "cu_seqlens_q": lengths(0, 64),
        "cu_seqlens_k": lengths(0, 1024),
        "max_seqlen_q": 64,
        "max_seqlen_k": 1024,
    }


def scoring(heads: int) -> dict[str, Effect]:
    """What all attention functions of both wheels share."""
    return {
        "softmax_scale": result(softmax_scale=0.5),
        "causal": result(causal=True),
        "window_size": result(window_size=(2, 1)),
        "softcap": result(softcap=1.0),
        "learnable_sink": result(learnable_sink=normal(heads)),
    }


def v2_scoring(heads: int, long: Arguments) -> dict[str, Effect]:
    return scoring(heads) | {
        "dropout_p": result(dropout_p=0.5),
        "alibi_slopes": result(alibi_slopes=normal(heads).abs()),
        "deterministic": plan(long, backward=True, deterministic=True),
        "return_attn_probs": returns(return_attn_probs=True),
    }


def others(arguments: Arguments, *names: str) -> dict[str, Effect]:
    """Other values for the named tensors."""
    return {name: result(**{name: arguments[name] + 1.0}) for name in names}


def packed_lengths(suffixes: str = "qk") -> dict[str, Effect]:
    effects = {
        "cu_seqlens_q": result(cu_seqlens_q=lengths(0, 5, 10)),
        "cu_seqlens_k": result(cu_seqlens_k=lengths(0, 8, 16)),
        "max_seqlen_q": raises(max_seqlen_q=3),
        "max_seqlen_k": raises(max_seqlen_k=3),
    }
    return {name: effect for name, effect in effects.items() if name[-1] in suffixes}


def block_table_effect() -> Effect:
    pages = {"k": normal(6, 4, 2, 16), "v": normal(6, 4, 2, 16, seed=1)}
    table = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.int32)
    return result(pages | {"block_table": table}, block_table=table.flip(1).contiguous())


V2 = {
    "flash_attn_func": Table(dense, lambda: others(dense(), "q", "k", "v") | v2_scoring(4, LONG)),
    "flash_attn_kvpacked_func": Table(
        kvpacked,
        lambda: (
            others(kvpacked(), "q", "kv")
            | v2_scoring(4, {"q": LONG["q"], "kv": torch.stack([LONG["k"], LONG["v"]], 2)})
        ),
    ),
    "flash_attn_qkvpacked_func": Table(
        qkvpacked, lambda: others(qkvpacked(), "qkv") | v2_scoring(2, LONG_PACKED)
    ),
    "flash_attn_varlen_func": Table(
        varlen,
        lambda: (
            others(varlen(), "q", "k", "v")
            | packed_lengths()
            | v2_scoring(4, long_varlen())
            | {"block_table": block_table_effect()}
        ),
    ),
    "flash_attn_varlen_kvpacked_func": Table(
        varlen_kvpacked,
        lambda: (
            others(varlen_kvpacked(), "q", "kv")
            | packed_lengths()
            | v2_scoring(4, long_varlen_kvpacked())
        ),
    ),
    "flash_attn_varlen_qkvpacked_func": Table(
        varlen_qkvpacked,
        lambda: (
            others(varlen_qkvpacked(), "qkv")
            | {
                "cu_seqlens": result(cu_seqlens=lengths(0, 5, 10)),
                "max_seqlen": raises(max_seqlen=3),
            }
            | v2_scoring(
                2,
                {"qkv": LONG_PACKED["qkv"][0], "cu_seqlens": lengths(0, 1024), "max_seqlen": 1024},
            )
        ),
    ),
}


def long_varlen_kvpacked() -> Arguments:
    x = long_varlen()
    return x | {"kv": torch.stack([x.pop("k"), x.pop("v")], 1)}


# ---- caches -------------------------------------------------------------------------------------


def cache() -> Arguments:
    return {
        "q": normal(2, 3, 4, 16),
        "k_cache": normal(2, 12, 2, 16),
        "v_cache": normal(2, 12, 2, 16, seed=1),
        "cache_seqlens": lengths(6, 8),
    }


def new_keys() -> Arguments:
    return {"k": normal(2, 3, 2, 16, seed=5), "v": normal(2, 3, 2, 16, seed=6)}


def rotary() -> Arguments:
    angle = torch.arange(16.0)[:, None] * torch.tensor([1.0, 0.5, 0.2, 0.1])
    tables = {"rotary_cos": angle.cos(), "rotary_sin": angle.sin()}
    return new_keys() | tables | {"causal": True}


def pages(name: str) -> Arguments:
    table = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.int32)
    kv = {"k_cache": normal(6, 4, 2, 16), "v_cache": normal(6, 4, 2, 16, seed=1)}
    return kv | {name: table}


def int8_cache() -> Arguments:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(-127, 128, (2, 2, 12, 2, 16), generator=generator, dtype=torch.int8)
    scale = torch.full((2,), 0.02)
    return {"k_cache": codes[0], "v_cache": codes[1], "k_descale": scale, "v_descale": scale}


def int8_scales() -> dict[str, Effect]:
    scale = torch.tensor([[0.02, 0.03], [0.01, 0.02]])
    return {name: result(int8_cache(), **{name: scale}) for name in ("k_descale", "v_descale")}


# Keys enough for several splits.
LONG_CACHE = {
    "q": normal(1, 1, 4, 16),
    "k_cache": normal(1, 2048, 2, 16),
    "v_cache": normal(1, 2048, 2, 16, seed=1),
    "cache_seqlens": lengths(2048),
}
# Work enough for two threads.
WIDE_CACHE = LONG_CACHE | {"q": normal(1, 64, 4, 16)}


def cache_effects(table_name: str) -> dict[str, Effect]:
    paged = pages(table_name)
    cos, sin = rotary()["rotary_cos"], rotary()["rotary_sin"]
    swapped = paged[table_name].flip(1).contiguous()
    return (
        others(cache(), "q", "k_cache", "v_cache")
        | scoring(4)
        | {
            "k": result(new_keys(), k=new_keys()["k"] + 1.0),
            "v": result(new_keys(), v=new_keys()["v"] + 1.0),
            "rotary_cos": result(rotary(), rotary_cos=cos * 0.5),
            "rotary_sin": result(rotary(), rotary_sin=sin * 0.5),
            "rotary_interleaved": result(rotary(), rotary_interleaved=False),
            "cache_seqlens": result(cache_seqlens=lengths(5, 8)),
            "cache_batch_idx": result(cache_batch_idx=lengths(1, 0)),
            "cache_leftpad": result(cache_leftpad=lengths(2, 0)),
            table_name: result(paged, **{table_name: swapped}),
            "num_splits": plan(LONG_CACHE | {"num_splits": 1}, num_splits=3),
            "return_softmax_lse": returns(return_softmax_lse=True),
        }
    )


V2["flash_attn_with_kvcache"] = Table(
    cache,
    lambda: (
        cache_effects("block_table")
        | int8_scales()
        | {"alibi_slopes": result(alibi_slopes=normal(4).abs())}
    ),
)


# ---- v3 -----------------------------------------------------------------------------------------


def grouped_long() -> Arguments:
    """Shares of work that pack_gqa and sm_margin change: two heads per group, two threads."""
    return {
        "q": normal(1, 64, 4, 32),
        "k": normal(1, 512, 2, 32),
        "v": normal(1, 512, 2, 32, seed=1),
    }


def fp8_dense() -> Arguments:
    return {"q": fp8(2, 5, 4, 16), "k": fp8(2, 9, 2, 16), "v": fp8(2, 9, 2, 16, seed=1)}


def packed(arguments: Arguments, q_len: int, kv_len: int) -> Arguments:
    """Padded q, k and v of equal lengths as a varlen call."""
    batch = arguments["q"].shape[0]
    x = {name: tensor.flatten(0, 1) for name, tensor in arguments.items()}
    return x | {
        "cu_seqlens_q": lengths(*range(0, batch * q_len + 1, q_len)),
        "cu_seqlens_k": lengths(*range(0, batch * kv_len + 1, kv_len)),
        "max_seqlen_q": q_len,
        "max_seqlen_k": kv_len,
    }


def descales(base: Arguments) -> dict[str, Effect]:
    factor = torch.full((2, 2), 2.0)
    return {
        f"{name}_descale": result(base, **{f"{name}_descale": factor}) for name in ("q", "k", "v")
    }


def v3_scoring(
    heads: int, base8: Arguments, long: Arguments, grouped: Arguments
) -> dict[str, Effect]:
    return (
        scoring(heads)
        | descales(base8)
        | {
            "attention_chunk": result(attention_chunk=3),
            "deterministic": plan(long, backward=True, deterministic=True),
            "sm_margin": plan(grouped, sm_margin=1),
            "return_attn_probs": returns(return_attn_probs=True),
        }
    )


def v3_plans(grouped: Arguments) -> dict[str, Effect]:
    return {
        "num_splits": plan(grouped | {"num_splits": 1}, num_splits=3),
        "pack_gqa": plan(grouped | {"pack_gqa": True}, pack_gqa=False),
    }


def fp8_qkv() -> Arguments:
    return {"qkv": fp8(2, 9, 3, 2, 16)}


def joined_heads() -> Arguments:
    return {"qkv": normal(2, 9, 8, 16), "num_heads_q": 4}


def fp8_cache() -> Arguments:
    return {
        "q": fp8(2, 3, 4, 16),
        "k_cache": fp8(2, 12, 2, 16),
        "v_cache": fp8(2, 12, 2, 16, seed=1),
    }


def packed_cache() -> Arguments:
    return {"q": normal(6, 4, 16), "cu_seqlens_q": lengths(0, 3, 6), "max_seqlen_q": 3}


def ragged_new() -> Arguments:
    return {
        "k": normal(5, 2, 16, seed=5),
        "v": normal(5, 2, 16, seed=6),
        "cu_seqlens_k_new": lengths(0, 3, 5),
    }


def metadata(**changes: Any) -> Arguments:
    """Arguments of get_scheduler_metadata for a call on LONG_CACHE."""
    return {
        "batch_size": 1,
        "max_seqlen_q": 1,
        "max_seqlen_k": 2048,
        "num_heads_q": 4,
        "num_heads_kv": 2,
        "headdim": 16,
        "cache_seqlens": lengths(2048),
        "qkv_dtype": torch.float32,
    } | changes


def v3_cache_effects(get_metadata: Callable[..., Tensor]) -> dict[str, Effect]:
    """`scheduler_metadata` needs the wheel to make one."""
    effects = cache_effects("page_table") | v3_plans(WIDE_CACHE) | int8_scales()
    effects["q_descale"] = descales(fp8_cache())["q_descale"]
    return effects | {
        "qv": result(qv=normal(2, 3, 4, 16, seed=9)),
        "cu_seqlens_q": result(packed_cache(), cu_seqlens_q=lengths(0, 2, 6), max_seqlen_q=4),
        "max_seqlen_q": raises(packed_cache(), max_seqlen_q=2),
        "cu_seqlens_k_new": result(ragged_new(), cu_seqlens_k_new=lengths(0, 2, 5)),
        "rotary_seqlens": result(rotary(), rotary_seqlens=lengths(0, 1)),
        "attention_chunk": result(attention_chunk=3),
        "scheduler_metadata": plan(
            LONG_CACHE, scheduler_metadata=get_metadata(**metadata(num_splits=3))
        ),
        "sm_margin": plan(WIDE_CACHE, sm_margin=1),
    }


def combine() -> Arguments:
    return {"out_partial": normal(3, 2, 5, 4, 16), "lse_partial": normal(3, 2, 5, 4)}


def combine_effects() -> dict[str, Effect]:
    return others(combine(), "out_partial") | {
        "lse_partial": result(lse_partial=normal(3, 2, 5, 4, seed=3)),
        "out": returns(out=torch.empty(2, 5, 4, 16)),
        "out_dtype": returns(out_dtype=torch.bfloat16),
    }


def metadata_effects() -> dict[str, Effect]:
    wrong = lengths(1, 2, 3, 4, 5)
    return {
        "batch_size": result(batch_size=2, cache_seqlens=lengths(1, 1)),
        "max_seqlen_q": result(max_seqlen_q=4096),
        "max_seqlen_k": result(max_seqlen_k=16),
        "num_heads_q": result(num_heads_q=8),
        "num_heads_kv": result(num_heads_kv=1),
        "headdim": result(headdim=32),
        "cache_seqlens": raises(cache_seqlens=wrong),
        "qkv_dtype": result(qkv_dtype=torch.bfloat16),
        "headdim_v": result(headdim_v=32),
        "cu_seqlens_q": raises(cu_seqlens_q=wrong),
        "cu_seqlens_k_new": raises(cu_seqlens_k_new=wrong),
        "cache_leftpad": raises(cache_leftpad=wrong),
        "page_size": result(page_size=16),
        "max_seqlen_k_new": result({"max_seqlen_k": 16}, max_seqlen_k_new=8192),
        "causal": result(causal=True),
        "window_size": result(window_size=(3, 3)),
        "attention_chunk": result(attention_chunk=4),
        "has_softcap": result(has_softcap=True),
        "num_splits": result(num_splits=3),
        "pack_gqa": result(pack_gqa=False),
        "sm_margin": result(sm_margin=1),
    }


V3 = {
    "flash_attn_func": Table(
        dense,
        lambda: (
            others(dense(), "q", "k", "v")
            | v3_scoring(4, fp8_dense(), LONG, grouped_long())
            | v3_plans(grouped_long())
            | {"qv": result(qv=normal(2, 5, 4, 16, seed=9))}
        ),
    ),
    "flash_attn_qkvpacked_func": Table(
        qkvpacked,
        lambda: (
            others(qkvpacked(), "qkv")
            | v3_scoring(2, fp8_qkv(), LONG_PACKED, LONG_PACKED)
            | {"num_heads_q": returns_shape()}
        ),
    ),
    "flash_attn_varlen_func": Table(
        varlen,
        lambda: (
            others(varlen(), "q", "k", "v")
            | packed_lengths()
            | v3_scoring(
                4, packed(fp8_dense(), 5, 9), long_varlen(), packed(grouped_long(), 64, 512)
            )
            | v3_plans(packed(grouped_long(), 64, 512))
            | {
                "qv": result(qv=normal(10, 4, 16, seed=9)),
                "seqused_q": result(seqused_q=lengths(2, 6)),
                "seqused_k": result(seqused_k=lengths(4, 9)),
            }
        ),
    ),
    "flash_attn_combine": Table(combine, combine_effects),
    "get_scheduler_metadata": Table(metadata, metadata_effects),
}


def returns_shape() -> Effect:
    """num_heads_q tells the heads of a 4-D qkv apart."""
    return Effect("returns", {"num_heads_q": 6}, joined_heads())


# ---- bert_padding of v2 -------------------------------------------------------------------------


def padded_states() -> Arguments:
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    return {"hidden_states": normal(2, 3, 4), "attention_mask": mask}


PADDING = {
    "index_first_axis": Table(
        lambda: {"input": normal(6, 4), "indices": torch.tensor([0, 3])},
        lambda: {
            "input": result(input=normal(6, 4, seed=1)),
            "indices": result(indices=torch.tensor([1, 3])),
        },
    ),
    "index_first_axis_residual": Table(
        lambda: {"input": normal(6, 4), "indices": torch.tensor([0, 3])},
        lambda: {
            "input": result(input=normal(6, 4, seed=1)),
            "indices": result(indices=torch.tensor([1, 3])),
        },
    ),
    "index_put_first_axis": Table(
        lambda: {
            "values": normal(2, 4),
            "indices": torch.tensor([0, 3]),
            "first_axis_dim": 6,
        },
        lambda: {
            "values": result(values=normal(2, 4, seed=1)),
            "indices": result(indices=torch.tensor([1, 3])),
            "first_axis_dim": result(first_axis_dim=7),
        },
    ),
    "unpad_input": Table(
        padded_states,
        lambda: {
            "hidden_states": result(hidden_states=normal(2, 3, 4, seed=1)),
            "attention_mask": result(attention_mask=torch.ones(2, 3, dtype=torch.long)),
            "unused_mask": result(unused_mask=torch.tensor([[0, 0, 1], [0, 0, 0]])),
        },
    ),
    "unpad_input_for_concatenated_sequences": Table(
        lambda: {
            "hidden_states": normal(2, 4, 4),
            "attention_mask_in_length": torch.tensor([[2, 1, 0, 0], [3, 0, 0, 0]]),
        },
        lambda: {
            "hidden_states": result(hidden_states=normal(2, 4, 4, seed=1)),
            "attention_mask_in_length": result(
                attention_mask_in_length=torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0]])
            ),
        },
    ),
    "pad_input": Table(
        lambda: {
            "hidden_states": normal(5, 4),
            "indices": torch.tensor([0, 1, 3, 4, 5]),
            "batch": 2,
            "seqlen": 3,
        },
        lambda: {
            "hidden_states": result(hidden_states=normal(5, 4, seed=1)),
            "indices": result(indices=torch.tensor([0, 2, 3, 4, 5])),
            "batch": result(batch=3),
            "seqlen": result(seqlen=4),
        },
    ),
}
