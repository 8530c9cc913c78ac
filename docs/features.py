"""What the two packages can do, as small calls. gen_feature_table.py runs them and writes tables.

A feature is a set of arguments on top of a plain call. It counts as supported where the call
returns finite results that differ from those of the plain call (an argument without effect is a
defect, not a feature), and as differentiable where gradients are finite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

B, S, HQ, HKV, D, PAGE = 2, 6, 4, 2, 16, 3
Arguments = dict[str, Any]
Change = Callable[[Arguments], Arguments]


@dataclass(frozen=True)
class Feature:
    """One line of the table.

    Attributes:
      name: what the reader looks for.
      v2, v3: what to change in the plain call, by package; None = the package has no such thing.
      function: plain call it starts from: func | varlen | kvcache.
      backward: whether the function has a backward at all.
      same_result: it is the plain call itself, or changes speed or determinism only.
      arguments: parameter names that the line is about, for the reader.
    """

    name: str
    v2: Change | None
    v3: Change | None
    function: str = "func"
    backward: bool = True
    same_result: bool = False
    arguments: tuple[str, ...] = ()

    def change(self, api: int) -> Change | None:
        return self.v2 if api == 2 else self.v3


def with_values(**values: Any) -> Change:
    """Adds or replaces arguments."""
    return lambda arguments: arguments | values


def with_dtype(dtype: torch.dtype) -> Change:
    """Casts q, k, v."""
    return lambda a: a | {name: a[name].to(dtype) for name in ("q", "k", "v")}


def plain(function: str) -> Arguments:
    """Arguments of a plain call of `function`, in fp32."""
    torch.manual_seed(0)
    if function == "varlen":
        lengths = torch.tensor([0, 4, 4, 10], dtype=torch.int32)  # the second sequence is empty
        q, k, v = (torch.randn(10, heads, D) for heads in (HQ, HKV, HKV))
        seqlens = {f"cu_seqlens_{side}": lengths.clone() for side in "qk"}
        return {"q": q, "k": k, "v": v, **seqlens, "max_seqlen_q": 6, "max_seqlen_k": 6}
    q, k, v = (torch.randn(B, S, heads, D) for heads in (HQ, HKV, HKV))
    if function == "func":
        return {"q": q, "k": k, "v": v}
    used = torch.tensor([3, 2], dtype=torch.int32)
    return {"q": q[:, :2], "k_cache": k, "v_cache": v, "cache_seqlens": used, "causal": True}


def _value_dim(size: int) -> Change:
    return lambda a: a | {"v": torch.randn(*a["v"].shape[:-1], size)}


def _head_dim(size: int) -> Change:
    return lambda a: a | {n: torch.randn(*a[n].shape[:-1], size) for n in ("q", "k", "v")}


def _fp8(arguments: Arguments) -> Arguments:
    scale = torch.full((B, HKV), 0.5)
    cast = with_dtype(torch.float8_e4m3fn)(arguments)
    return cast | {"q_descale": scale, "k_descale": scale, "v_descale": scale}


def _paged(table: str) -> Change:
    """The cache cut into pages of 3 tokens; entry 0 has the later pages."""

    def change(a: Arguments) -> Arguments:
        pages = {n: a[n].reshape(-1, PAGE, HKV, D) for n in ("k_cache", "v_cache")}
        return a | pages | {table: torch.tensor([[2, 3], [0, 1]], dtype=torch.int32)}

    return change


def _append(arguments: Arguments) -> Arguments:
    k, v = (torch.randn(B, 2, HKV, D) for _ in range(2))
    return arguments | {"k": k, "v": v}


def _rotary(**more: Any) -> Change:
    def change(a: Arguments) -> Arguments:
        angle = torch.rand(2 * S, D // 2)
        return _append(a) | {"rotary_cos": angle.cos(), "rotary_sin": angle.sin()} | more

    return change


def _int8(arguments: Arguments) -> Arguments:
    scale = torch.tensor([0.03, 0.04])
    codes = {n: (arguments[n] / scale[:, None]).round() for n in ("k_cache", "v_cache")}
    cache = {n: x.clamp(-127, 127).to(torch.int8) for n, x in codes.items()}
    return _append(arguments) | cache | {"k_descale": scale, "v_descale": scale}


def _ragged_append(arguments: Arguments) -> Arguments:
    k, v = (torch.randn(3, HKV, D) for _ in range(2))
    return arguments | {"k": k, "v": v, "cu_seqlens_k_new": int32(0, 1, 3)}


def _varlen_paged(arguments: Arguments) -> Arguments:
    k, v = (torch.randn(6, PAGE, HKV, D) for _ in range(2))
    table = torch.tensor([[4, 5], [0, 1], [2, 3]], dtype=torch.int32)
    return arguments | {"k": k, "v": v, "block_table": table}


def _packed_queries(arguments: Arguments) -> Arguments:
    return arguments | {
        "q": torch.randn(3, HQ, D),
        "cu_seqlens_q": int32(0, 1, 3),
        "max_seqlen_q": 2,
    }


def int32(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def _both(name: str, change: Change, **more: Any) -> Feature:
    return Feature(name, change, change, **more)


_SLOPES = torch.tensor([0.5, 0.25, 0.125, 0.0625])
_SINK = with_values(learnable_sink=torch.tensor([0.5, -1.0, 2.0, 0.0]))
_ROTARY_ARGUMENTS = ("rotary_cos", "rotary_sin", "rotary_interleaved")

FEATURES = (
    _both("fp32", with_values()),
    _both("fp16", with_dtype(torch.float16)),
    _both("bf16", with_dtype(torch.bfloat16)),
    Feature(
        "float8_e4m3fn with descales", None, _fp8, arguments=("q_descale", "k_descale", "v_descale")
    ),
    _both("head dim 1 to 512, any", _head_dim(171)),
    _both("value dim other than head dim", _value_dim(24)),
    _both("grouped and single key/value heads (GQA, MQA)", with_values()),
    _both("causal, aligned bottom right", with_values(causal=True), arguments=("causal",)),
    _both("sliding window", with_values(window_size=(1, 1)), arguments=("window_size",)),
    Feature(
        "attention in chunks", None, with_values(attention_chunk=4), arguments=("attention_chunk",)
    ),
    _both("scale", with_values(softmax_scale=0.5), arguments=("softmax_scale",)),
    _both("softcap", with_values(softcap=1.0), arguments=("softcap",)),
    Feature("ALiBi", with_values(alibi_slopes=_SLOPES), None, arguments=("alibi_slopes",)),
    Feature("dropout, with S_dmask", with_values(dropout_p=0.3), None, arguments=("dropout_p",)),
    _both("learnable sinks", _SINK, arguments=("learnable_sink",)),
    Feature(
        "second query part, scored by values (MLA absorbed)",
        None,
        with_values(qv=torch.linspace(-1, 1, B * S * HQ * D).view(B, S, HQ, D)),
        arguments=("qv",),
    ),
    _both(
        "log-sum-exp and its gradient",
        with_values(return_attn_probs=True),
        same_result=True,
        arguments=("return_attn_probs",),
    ),
    _both(
        "deterministic backward",
        with_values(deterministic=True),
        same_result=True,
        arguments=("deterministic",),
    ),
    _both(
        "packed sequences (varlen), also empty ones",
        with_values(),
        function="varlen",
        same_result=True,
        arguments=("cu_seqlens_q", "cu_seqlens_k", "max_seqlen_q", "max_seqlen_k"),
    ),
    Feature(
        "used lengths",
        None,
        with_values(seqused_q=int32(2, 0, 6), seqused_k=int32(3, 0, 4)),
        function="varlen",
        arguments=("seqused_q", "seqused_k"),
    ),
    Feature(
        "packed queries on pages",
        _varlen_paged,
        None,
        function="varlen",
        backward=False,
        arguments=("block_table",),
    ),
    _both(
        "key/value cache",
        with_values(),
        function="kvcache",
        backward=False,
        same_result=True,
        arguments=("cache_seqlens",),
    ),
    Feature(
        "paged cache, any page size",
        _paged("block_table"),
        _paged("page_table"),
        function="kvcache",
        backward=False,
        arguments=("block_table", "page_table"),
    ),
    _both("append to the cache", _append, function="kvcache", backward=False, arguments=("k", "v")),
    _both(
        "int8 cache with scales per head",
        _int8,
        function="kvcache",
        backward=False,
        arguments=("k_descale", "v_descale"),
    ),
    Feature(
        "append different numbers of tokens",
        None,
        _ragged_append,
        function="kvcache",
        backward=False,
        arguments=("cu_seqlens_k_new",),
    ),
    Feature(
        "packed queries on a cache",
        None,
        _packed_queries,
        function="kvcache",
        backward=False,
        arguments=("cu_seqlens_q", "max_seqlen_q"),
    ),
    _both(
        "rotary embedding, pairs interleaved",
        _rotary(),
        function="kvcache",
        backward=False,
        arguments=_ROTARY_ARGUMENTS,
    ),
    _both(
        "rotary embedding, halves",
        _rotary(rotary_interleaved=False),
        function="kvcache",
        backward=False,
        arguments=_ROTARY_ARGUMENTS,
    ),
    Feature(
        "rotary positions of their own",
        None,
        _rotary(rotary_seqlens=int32(5, 1)),
        function="kvcache",
        backward=False,
        arguments=("rotary_seqlens",),
    ),
    _both(
        "cache rows chosen by index",
        with_values(cache_batch_idx=int32(1, 0)),
        function="kvcache",
        backward=False,
        arguments=("cache_batch_idx",),
    ),
    _both(
        "cache padded on the left",
        with_values(cache_leftpad=int32(1, 0)),
        function="kvcache",
        backward=False,
        arguments=("cache_leftpad",),
    ),
    _both(
        "keys split for parallelism",
        with_values(num_splits=2),
        function="kvcache",
        backward=False,
        same_result=True,
        arguments=("num_splits",),
    ),
    Feature(
        "query heads packed, cores left free",
        None,
        with_values(pack_gqa=True, sm_margin=1),
        same_result=True,
        arguments=("pack_gqa", "sm_margin"),
    ),
)

# What the forward of the NPU back end does with a feature, where that is not "yes"; "-" is
# NotSupported. tests/npu_host/test_features.py compares it with wheels of simulated kernels.
NPU_FORWARD = {
    "int8 cache with scales per head": "256, no qv",
    "fp32": "-",
    "float8_e4m3fn with descales": "-",
    "head dim 1 to 512, any": "256 with ALiBi, dropout",
    "second query part, scored by values (MLA absorbed)": "D + Dv to 576",
    "log-sum-exp and its gradient": "no gradient",
    "deterministic backward": "no backward",
}
