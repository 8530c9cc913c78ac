"""Wrong input: the class, what the message says, and that nothing was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from api.support import Wheel, normal

INT = torch.int32


def ints(*values: int) -> Tensor:
    return torch.tensor(values, dtype=INT)


class Bad(NamedTuple):
    """One changed argument of a good call, and words of the message."""

    changes: dict[str, Any]
    words: str  # regular expression
    error: str = "InvalidArgument"


def dense_call() -> dict[str, Any]:
    return {"q": normal(2, 5, 4, 16), "k": normal(2, 7, 2, 16), "v": normal(2, 7, 2, 16)}


NAN = float("nan")
DENSE = {
    "q rank": Bad({"q": normal(5, 4, 16)}, r"q: got shape \[5, 4, 16\], expected \[B, Sq, Hq, D\]"),
    "q without dims": Bad({"q": torch.tensor(1.0)}, r"q: got shape \[\]"),
    "k rank": Bad({"k": normal(7, 2, 16)}, r"k: got shape \[7, 2, 16\]"),
    "v without dims": Bad({"v": torch.tensor(1.0)}, r"v: "),
    "v tokens": Bad({"v": normal(2, 6, 2, 16)}, r"v: got shape \[2, 6, 2, 16\]"),
    "batch": Bad({"q": normal(3, 5, 4, 16)}, r"k: got batch 2, expected 3"),
    "head dim": Bad({"q": normal(2, 5, 4, 24)}, r"k: got head dim 16, expected 24"),
    "heads do not divide": Bad({"q": normal(2, 5, 3, 16)}, r"q: got 3 heads, expected .* 2"),
    "no heads": Bad({"k": normal(2, 7, 0, 16), "v": normal(2, 7, 0, 16)}, r"heads"),
    "head dim 0": Bad(
        {name: normal(2, 7, 2, 0) for name in "qkv"}, r"head dim: got 0", "NotSupported"
    ),
    "head dim too large": Bad(
        {name: normal(2, 3, 2, 513) for name in "qkv"}, r"head dim: got 513", "NotSupported"
    ),
    "q dtype": Bad({"q": torch.zeros(2, 5, 4, 16, dtype=torch.int64)}, r"q: .*int64, expected"),
    "q fp64": Bad({name: normal(2, 5, 4, 16).double() for name in "qkv"}, r"q: .*float64"),
    "k dtype": Bad({"k": normal(2, 7, 2, 16).half()}, r"k: got dtype float16, expected float32"),
    "k device": Bad({"k": torch.empty(2, 7, 2, 16, device="meta")}, r"meta"),
    "q device": Bad({"q": torch.empty(2, 5, 4, 16, device="meta")}, r"meta"),
    "scale nan": Bad({"softmax_scale": NAN}, r"softmax_scale: got nan"),
    "scale inf": Bad({"softmax_scale": float("inf")}, r"softmax_scale: got inf"),
    "scale text": Bad({"softmax_scale": "big"}, r"softmax_scale: got 'big' of type str"),
    "scale tensor": Bad({"softmax_scale": torch.ones(2)}, r"softmax_scale: .* expected a number"),
    "softcap nan": Bad({"softcap": NAN}, r"softcap: got nan"),
    "softcap negative": Bad({"softcap": -1.0}, r"softcap: got -1"),
    "causal text": Bad({"causal": "yes"}, r"causal: got 'yes' of type str, expected a bool"),
    "causal tensor": Bad({"causal": torch.ones(2)}, r"causal: .* expected a bool"),
    "deterministic": Bad({"deterministic": None}, r"deterministic: got None"),
    "window number": Bad({"window_size": 3}, r"window_size: got 3 of type int"),
    "window of three": Bad({"window_size": (1, 2, 3)}, r"window_size: .* \(left, right\)"),
    "window floats": Bad({"window_size": (1.0, 2.0)}, r"window_size\[0\]: got 1.0 of type float"),
    "q list": Bad({"q": [1.0]}, r"q: got \[1.0\] of type list|'q'"),
    "sink shape": Bad({"learnable_sink": normal(3)}, r"learnable_sink: got shape \[3\]"),
    "sink dtype": Bad({"learnable_sink": ints(1, 2, 3, 4)}, r"learnable_sink: got dtype int32"),
    "sink device": Bad({"learnable_sink": torch.empty(4, device="meta")}, r"meta"),
}

DENSE_V2 = {
    "dropout 1": Bad({"dropout_p": 1.0}, r"dropout_p: got 1"),
    "dropout negative": Bad({"dropout_p": -0.1}, r"dropout_p: got -0.1"),
    "dropout nan": Bad({"dropout_p": NAN}, r"dropout_p: got nan"),
    "alibi shape": Bad({"alibi_slopes": normal(3)}, r"alibi_slopes: got shape \[3\]"),
    "alibi dtype": Bad({"alibi_slopes": normal(4).half()}, r"alibi_slopes: got dtype float16"),
    "alibi device": Bad({"alibi_slopes": torch.empty(4, device="meta")}, r"meta"),
}
DENSE_V3 = {
    "qv shape": Bad({"qv": normal(2, 5, 4, 8)}, r"qv: got shape \[2, 5, 4, 8\]"),
    "qv dtype": Bad({"qv": normal(2, 5, 4, 16).half()}, r"qv: got dtype float16"),
    "descale": Bad({"k_descale": normal(2, 2)}, r"k_descale: .*float32", "NotSupported"),
    "chunk": Bad({"attention_chunk": -2}, r"attention_chunk: got -2"),
    "splits": Bad({"num_splits": 257}, r"num_splits: got 257, expected .* 256"),
    "splits negative": Bad({"num_splits": -1}, r"num_splits: got -1"),
    "splits float": Bad({"num_splits": 1.5}, r"num_splits: got 1.5 of type float"),
    "pack_gqa": Bad({"pack_gqa": "no"}, r"pack_gqa: got 'no' of type str"),
    "sm_margin": Bad({"sm_margin": -1}, r"sm_margin: got -1"),
}


def check(wheel: Wheel, call: Callable[[], Any], bad: Bad) -> None:
    module = wheel.module
    with pytest.raises(getattr(module, bad.error), match=bad.words) as caught:
        call()
    assert isinstance(caught.value, module.FlashAttnError)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize("grad", [False, True], ids=["", "grad"])
@pytest.mark.parametrize("name", DENSE)
def test_dense(wheel: Wheel, name: str, grad: bool) -> None:
    arguments = dense_call() | DENSE[name].changes
    with torch.set_grad_enabled(grad):
        if grad and "v" not in DENSE[name].changes:
            arguments["v"].requires_grad_()
        check(wheel, lambda: wheel.module.flash_attn_func(**arguments), DENSE[name])


@pytest.mark.parametrize("name", DENSE_V2)
def test_dense_v2(v2: Wheel, name: str) -> None:
    arguments = dense_call() | DENSE_V2[name].changes
    check(v2, lambda: v2.module.flash_attn_func(**arguments), DENSE_V2[name])


@pytest.mark.parametrize("name", DENSE_V3)
def test_dense_v3(v3: Wheel, name: str) -> None:
    arguments = dense_call() | DENSE_V3[name].changes
    check(v3, lambda: v3.module.flash_attn_func(**arguments), DENSE_V3[name])


def test_packed_inputs(wheel: Wheel) -> None:
    function = wheel.module.flash_attn_qkvpacked_func
    bad = Bad({}, r"qkv: got shape \[2, 5, 2, 4, 16\], expected \[\.\.\., 3, H, D\]")
    check(wheel, lambda: function(normal(2, 5, 2, 4, 16)), bad)
    check(wheel, lambda: function([1]), Bad({}, r"qkv: got \[1\] of type list"))


def test_kvpacked_inputs(v2: Wheel) -> None:
    bad = Bad({}, r"kv: got shape \[2, 7, 3, 2, 16\]")
    kv = normal(2, 7, 3, 2, 16)
    check(v2, lambda: v2.module.flash_attn_kvpacked_func(normal(2, 5, 4, 16), kv), bad)


@pytest.mark.parametrize(
    ("shape", "num_heads_q", "words"),
    [
        ((2, 5, 8, 16), None, r"num_heads_q: got None"),
        ((2, 5, 8, 16), 3, r"num_heads_q: got 3 of 8 heads"),
        ((2, 5, 8, 16), 8, r"num_heads_q: got 8 of 8 heads"),
        ((2, 5, 8, 16), 0, r"num_heads_q: got 0 of 8 heads"),
        ((2, 5, 8, 16), 2.0, r"num_heads_q: got 2.0 of type float"),
        ((2, 5, 3, 4, 16), 2, r"num_heads_q: got 2, expected None or 4"),
        ((5, 8, 16), None, r"qkv: got shape"),
    ],
)
def test_joined_heads(v3: Wheel, shape: tuple[int, ...], num_heads_q: Any, words: str) -> None:
    qkv = normal(*shape)
    call = v3.module.flash_attn_qkvpacked_func
    check(v3, lambda: call(qkv, num_heads_q=num_heads_q), Bad({}, words))


def varlen_call() -> dict[str, Any]:
    return {
        "q": normal(6, 4, 16),
        "k": normal(9, 2, 16),
        "v": normal(9, 2, 16),
        "cu_seqlens_q": ints(0, 2, 6),
        "cu_seqlens_k": ints(0, 4, 9),
        "max_seqlen_q": 4,
        "max_seqlen_k": 5,
    }


VARLEN = {
    "falling": Bad({"cu_seqlens_q": ints(0, 7, 6)}, r"cu_seqlens_q"),
    "falling below": Bad({"cu_seqlens_k": ints(0, 4, 3)}, r"cu_seqlens_k"),
    "too far": Bad({"cu_seqlens_k": ints(0, 4, 10), "max_seqlen_k": 6}, r"cu_seqlens_k.*(10|9)"),
    "negative": Bad({"cu_seqlens_q": ints(-1, 2, 6)}, r"cu_seqlens_q.*-1"),
    "entries": Bad({"cu_seqlens_k": ints(0, 9)}, r"cu_seqlens_k: got shape \[2\], expected \[3\]"),
    "rank": Bad({"cu_seqlens_q": ints(0, 2, 6)[None]}, r"cu_seqlens_q: got shape \[1, 3\]"),
    "no dims": Bad({"cu_seqlens_q": torch.tensor(3, dtype=INT)}, r"cu_seqlens_q: got shape \[\]"),
    "empty": Bad({"cu_seqlens_q": ints()}, r"cu_seqlens_q: got shape \[0\]"),
    "dtype": Bad({"cu_seqlens_q": torch.tensor([0, 2, 6])}, r"cu_seqlens_q: got dtype int64"),
    "device": Bad({"cu_seqlens_k": ints(0, 4, 9).to("meta")}, r"meta"),
    "q padded": Bad({"q": normal(2, 3, 4, 16)}, r"q: got shape \[2, 3, 4, 16\], expected \[Tq"),
    "k padded": Bad({"k": normal(3, 3, 2, 16)}, r"k: got shape \[3, 3, 2, 16\]"),
    "bound": Bad({"max_seqlen_q": 3}, r"max_seqlen_q.*3"),
    "bound k": Bad({"max_seqlen_k": 4}, r"max_seqlen_k.*4"),
    "bound float": Bad({"max_seqlen_q": 4.0}, r"max_seqlen_q: got 4.0 of type float"),
    "bound list": Bad({"max_seqlen_k": [5]}, r"max_seqlen_k: got \[5\] of type list"),
    "bound tensor": Bad({"max_seqlen_k": torch.ones(2)}, r"max_seqlen_k: .* expected an integer"),
    "bound none": Bad({"max_seqlen_q": None}, r"max_seqlen_q: got None"),
}
VARLEN_V2 = {
    "no lengths": Bad({"cu_seqlens_k": None}, r"cu_seqlens_k: got None"),
    "page id": Bad({"block_table": ints(0, 7).reshape(2, 1)}, r"7"),
    "page id negative": Bad({"block_table": ints(-1, 0).reshape(2, 1)}, r"-1"),
    # Far beyond the table: its end must be noticed before the values behind it are read.
    "pages": Bad(
        {
            "block_table": ints(0, 0).reshape(2, 1),
            "cu_seqlens_k": ints(0, 10**9, 10**9),
            "max_seqlen_k": 10**9,
        },
        r"page_table: got 5 tokens per entry .* at least 1000000000",
    ),
}
VARLEN_V3 = {
    "used": Bad({"seqused_k": ints(4, 6)}, r"seqused_k.*6"),
    "used negative": Bad({"seqused_q": ints(-1, 2)}, r"seqused_q.*-1"),
    "used shape": Bad({"seqused_q": ints(1)}, r"seqused_q: got shape \[1\]"),
    "used dtype": Bad({"seqused_k": torch.tensor([1, 2])}, r"seqused_k.*int64"),
}


def _varlen(wheel: Wheel, bad: Bad) -> None:
    arguments = varlen_call() | bad.changes
    if "block_table" in bad.changes:
        arguments |= {"k": normal(3, 5, 2, 16), "v": normal(3, 5, 2, 16)}
    check(wheel, lambda: wheel.module.flash_attn_varlen_func(**arguments), bad)


@pytest.mark.parametrize("name", VARLEN)
def test_varlen(wheel: Wheel, name: str) -> None:
    _varlen(wheel, VARLEN[name])


@pytest.mark.parametrize("name", VARLEN_V2)
def test_varlen_v2(v2: Wheel, name: str) -> None:
    _varlen(v2, VARLEN_V2[name])


@pytest.mark.parametrize("name", VARLEN_V3)
def test_varlen_v3(v3: Wheel, name: str) -> None:
    _varlen(v3, VARLEN_V3[name])


def cache_call() -> dict[str, Any]:
    """Appends, so that a wrong call could do harm."""
    return {
        "q": normal(2, 2, 4, 16),
        "k_cache": normal(2, 8, 2, 16, seed=1),
        "v_cache": normal(2, 8, 2, 16, seed=2),
        "k": normal(2, 2, 2, 16, seed=3),
        "v": normal(2, 2, 2, 16, seed=4),
        "cache_seqlens": ints(3, 6),
    }


SCALE = torch.full((2,), 0.5)
INFINITY = float("inf")
CACHE = {
    "no room": Bad(
        {"cache_seqlens": ints(3, 7)}, r"k_cache: got 8 tokens .* at least 9 for entry 1"
    ),
    "lengths negative": Bad({"cache_seqlens": ints(-1, 3)}, r"cache_seqlens.*-1"),
    "lengths shape": Bad({"cache_seqlens": ints(3)}, r"cache_seqlens\)?: got shape \[1\]"),
    "lengths dtype": Bad({"cache_seqlens": torch.tensor([3, 6])}, r"cache_seqlens.*int64"),
    "lengths device": Bad({"cache_seqlens": torch.empty(2, dtype=INT, device="meta")}, r"meta"),
    "lengths text": Bad({"cache_seqlens": "3"}, r"cache_seqlens: got '3' of type str"),
    "lengths missing": Bad({"cache_seqlens": None}, r"cache_seqlens: got None"),
    "int negative": Bad({"cache_seqlens": -1}, r"cache_seqlens.*-1"),
    "v missing": Bad({"v": None}, r"v: got None"),
    "k missing": Bad({"k": None}, r"v: got a tensor"),
    "k shape": Bad({"k": normal(2, 2, 4, 16)}, r"k: got shape \[2, 2, 4, 16\]"),
    "k dtype": Bad({"k": normal(2, 2, 2, 16).half()}, r"k: got dtype float16"),
    "k device": Bad({"k": torch.empty(2, 2, 2, 16, device="meta")}, r"meta"),
    "v tokens": Bad({"v": normal(2, 1, 2, 16)}, r"v: got 1 new tokens, expected 2"),
    "cache stride": Bad(
        {"k_cache": normal(2, 8, 2, 32)[..., ::2]}, r"k_cache: got stride 2 in the last dimension"
    ),
    "v_cache stride": Bad({"v_cache": normal(2, 8, 2, 32)[..., ::2]}, r"v_cache: got stride 2"),
    "cache list": Bad({"k_cache": [1]}, r"k_cache: got \[1\] of type list"),
    "cache device": Bad({"v_cache": torch.empty(2, 8, 2, 16, device="meta")}, r"meta"),
    "cache dtype": Bad({"k_cache": normal(2, 8, 2, 16).half()}, r"k.*float16, expected float32"),
    "row": Bad({"cache_batch_idx": ints(0, 2)}, r"cache_batch_idx.*2"),
    "row negative": Bad({"cache_batch_idx": ints(-1, 0)}, r"cache_batch_idx.*-1"),
    "row dtype": Bad({"cache_batch_idx": torch.tensor([0, 1])}, r"cache_batch_idx.*int64"),
    "leftpad": Bad({"cache_leftpad": ints(0, 9)}, r"cache_leftpad.*9"),
    "leftpad negative": Bad({"cache_leftpad": ints(0, -1)}, r"cache_leftpad.*-1"),
    "splits": Bad({"num_splits": 1000}, r"num_splits: got 1000"),
    "scale nan": Bad({"softmax_scale": NAN}, r"softmax_scale: got nan"),
    "cos alone": Bad({"rotary_cos": normal(16, 8)}, r"rotary_sin: got None"),
    "sin alone": Bad({"rotary_sin": normal(16, 8)}, r"rotary_sin: got a tensor"),
    "rotary short": Bad({"rotary_cos": normal(7, 8), "rotary_sin": normal(7, 8)}, r"rotary_cos.*7"),
    "rotary wide": Bad(
        {"rotary_cos": normal(16, 9), "rotary_sin": normal(16, 9)}, r"rotary_cos.*18"
    ),
    "rotary dtype": Bad(
        {"rotary_cos": normal(16, 8).half(), "rotary_sin": normal(16, 8).half()},
        r"rotary_cos: got dtype float16",
    ),
    "interleaved": Bad({"rotary_interleaved": "x"}, r"rotary_interleaved: got 'x'"),
    "scale without int8": Bad({"k_descale": SCALE}, r"k_descale: .*float32", "NotSupported"),
}
CODES = torch.ones(2, 8, 2, 16, dtype=torch.int8)
INT8 = {"k_cache": CODES, "v_cache": CODES, "k_descale": SCALE, "v_descale": SCALE}
INT8_CACHE = {
    "no scales": Bad({"k_descale": None, "v_descale": None}, r"k_descale: got None"),
    "no v scale": Bad({"v_descale": None}, r"v_descale: got None, expected the fp32 scales"),
    "scale dtype": Bad({"k_descale": SCALE.half()}, r"k_descale: got dtype float16"),
    "scale shape": Bad({"k_descale": normal(3)}, r"k_descale: got shape \[3\], expected \[2\] or"),
    "scale batch": Bad({"v_descale": normal(1, 2)}, r"v_descale: got shape \[1, 2\]"),
    "scale device": Bad({"v_descale": torch.empty(2, device="meta")}, r"meta"),
    "scale 0": Bad({"k_descale": torch.tensor([0.1, 0.0])}, r"k_descale: got 0.*positive"),
    "scale negative": Bad({"v_descale": -SCALE}, r"v_descale: got -0.5.*positive"),
    "scale infinite": Bad({"k_descale": SCALE * INFINITY}, r"k_descale: got inf.*finite"),
    "scale nan": Bad({"k_descale": SCALE * NAN}, r"k_descale: got -?nan.*finite"),
    "k not int8": Bad({"k_cache": normal(2, 8, 2, 16)}, r"v: got dtype int8, expected float32"),
    "v not int8": Bad({"v_cache": normal(2, 8, 2, 16)}, r"v: got dtype float32, expected int8"),
    "new keys in int8": Bad({"k": CODES[:, :2]}, r"k: got dtype int8, expected float32"),
    "q in int8": Bad({"q": torch.ones(2, 2, 4, 16, dtype=torch.int8)}, r"q: got dtype int8"),
}


@pytest.mark.parametrize("name", INT8_CACHE)
def test_int8_cache(wheel: Wheel, name: str) -> None:
    _cache(wheel, INT8_CACHE[name], **INT8)


def _cache(wheel: Wheel, bad: Bad, **good: Any) -> None:
    arguments = cache_call() | good | bad.changes
    tensors = {n: x for n, x in arguments.items() if isinstance(x, Tensor) and not x.is_meta}
    before = {name: x.clone() for name, x in tensors.items()}
    check(wheel, lambda: wheel.module.flash_attn_with_kvcache(**arguments), bad)
    for name, x in tensors.items():
        assert torch.equal(x.nan_to_num(), before[name].nan_to_num()), f"{name} was written"


@pytest.mark.parametrize("name", CACHE)
def test_cache(wheel: Wheel, name: str) -> None:
    _cache(wheel, CACHE[name])


def test_good_cache_call_writes(wheel: Wheel) -> None:
    """Without this the test above could not fail."""
    arguments = cache_call()
    wheel.module.flash_attn_with_kvcache(**arguments)
    assert torch.equal(arguments["k_cache"][1, 6:8], arguments["k"][1])


PAGES = {"k_cache": normal(5, 4, 2, 16, seed=1), "v_cache": normal(5, 4, 2, 16, seed=2)}
TABLE = torch.tensor([[4, 2], [0, 3]], dtype=INT)
PAGED = {
    "page id": (torch.tensor([[4, 2], [0, 5]], dtype=INT), r"(block|page)_table.*5"),
    "page id negative": (torch.tensor([[-1, 2], [0, 3]], dtype=INT), r"(block|page)_table.*-1"),
    "huge page id": (torch.tensor([[4, 2**31 - 1], [0, 3]], dtype=INT), r"(block|page)_table.*214"),
    "rows": (TABLE[:1], r"(block|page)_table: got shape \[1, 2\]"),
    "rank": (TABLE[0], r"(block|page)_table: got shape \[2\]"),
    "dtype": (TABLE.long(), r"(block|page)_table: got dtype int64"),
    "device": (TABLE.to("meta"), r"meta"),
    "capacity": (TABLE[:, :1].contiguous(), r"cache_seqlens|(block|page)_table"),
}


@pytest.mark.parametrize("name", PAGED)
def test_pages(wheel: Wheel, name: str) -> None:
    table, words = PAGED[name]
    parameter = "block_table" if wheel.api == 2 else "page_table"
    pages = {name: x.clone() for name, x in PAGES.items()}
    _cache(wheel, Bad({parameter: table}, words), **pages)


def test_unused_page_ids_are_not_read(wheel: Wheel) -> None:
    parameter = "block_table" if wheel.api == 2 else "page_table"
    garbage = torch.tensor([[4, 2, 2**31 - 1], [0, 3, -7]], dtype=INT)
    results = [
        wheel.module.flash_attn_with_kvcache(
            **(cache_call() | {n: x.clone() for n, x in PAGES.items()} | {parameter: table})
        )
        for table in (TABLE, garbage)
    ]
    assert torch.equal(*results)


CACHE_V3 = {
    "packed without bound": Bad(
        {"q": normal(4, 4, 16), "cu_seqlens_q": ints(0, 1, 4)}, r"max_seqlen_q: got None"
    ),
    "falling": Bad(
        {"q": normal(4, 4, 16), "cu_seqlens_q": ints(0, 5, 4), "max_seqlen_q": 5}, r"cu_seqlens_q"
    ),
    "new keys fall": Bad(
        {"k": normal(3, 2, 16), "v": normal(3, 2, 16), "cu_seqlens_k_new": ints(0, 4, 3)},
        r"cu_seqlens_k_new",
    ),
    "new keys beyond": Bad(
        {"k": normal(3, 2, 16), "v": normal(3, 2, 16), "cu_seqlens_k_new": ints(0, 1, 4)},
        r"cu_seqlens_k_new.*(4|3)",
    ),
    "rotary negative": Bad(
        {
            "rotary_cos": normal(16, 8),
            "rotary_sin": normal(16, 8),
            "rotary_seqlens": ints(-2, 0),
        },
        r"rotary_seqlens.*-2",
    ),
    "metadata": Bad({"scheduler_metadata": ints(1, 2, 3)}, r"scheduler_metadata"),
    "metadata dtype": Bad({"scheduler_metadata": torch.zeros(15)}, r"scheduler_metadata.*float32"),
    "descale": Bad({"q_descale": normal(2, 2)}, r"q_descale", "NotSupported"),
}


@pytest.mark.parametrize("name", CACHE_V3)
def test_cache_v3(v3: Wheel, name: str) -> None:
    _cache(v3, CACHE_V3[name])


def test_metadata_of_another_call(v3: Wheel) -> None:
    lengths = ints(3, 6)
    metadata = v3.module.get_scheduler_metadata(2, 1, 8, 4, 2, 64, lengths)
    _cache(v3, Bad({"scheduler_metadata": metadata}, r"scheduler_metadata"))


# Fields of the tensor that fit this call, each with values that do not.
METADATA_FIELDS = [
    ("format", (0,)),
    ("batch_size", (3, -2)),
    ("num_heads_q", (2,)),
    ("num_heads_kv", (4,)),
    ("headdim", (8,)),
    ("headdim_v", (8,)),
    ("qkv_dtype", (2, -1)),
    ("page_size", (4,)),
    ("has_softcap", (1,)),
    (r"window_size\[0\]", (-2,)),
    (r"window_size\[1\]", (-(2**31),)),
    ("attention_chunk", (-1,)),
    ("num_splits", (-3, -1, 257, 1_000_000)),
    ("pack_gqa", (-2, 2)),
    ("sm_margin", (-1,)),
]


@pytest.mark.parametrize(
    ("place", "value"),
    [(i, value) for i, (_, values) in enumerate(METADATA_FIELDS) for value in values],
)
def test_metadata_that_was_changed(v3: Wheel, place: int, value: int) -> None:
    lengths = ints(3, 6)
    metadata = v3.module.get_scheduler_metadata(2, 2, 8, 4, 2, 16, lengths, torch.float32)
    assert len(metadata) == len(METADATA_FIELDS)
    v3.module.flash_attn_with_kvcache(**cache_call(), scheduler_metadata=metadata)
    metadata[place] = value
    words = rf"scheduler_metadata: got {METADATA_FIELDS[place][0]} {value}, expected "
    _cache(v3, Bad({"scheduler_metadata": metadata}, words))


def test_largest_metadata_is_read(v3: Wheel) -> None:
    """What get_scheduler_metadata takes, the call takes."""
    huge = {"window_size": (2**31, 2**31), "attention_chunk": 2**31, "sm_margin": 2**31}
    metadata = v3.module.get_scheduler_metadata(
        2, 2, 8, 4, 2, 16, ints(3, 6), torch.float32, num_splits=256, **huge
    )
    v3.module.flash_attn_with_kvcache(**cache_call(), scheduler_metadata=metadata, **huge)


COMBINE: dict[str, tuple[dict[str, Any], str]] = {
    "rank": ({"out_partial": normal(3, 5, 4, 16)}, r"out_partial: got shape \[3, 5, 4, 16\]"),
    "dtype": ({"out_partial": normal(3, 2, 5, 4, 16).half()}, r"float16"),
    "lse shape": ({"lse_partial": normal(3, 2, 4, 5)}, r"lse_partial.*\[3, 2, 4, 5\]"),
    "lse dtype": ({"lse_partial": normal(3, 2, 5, 4).half()}, r"lse_partial.*float16"),
    "out dtype": ({"out": torch.empty(2, 5, 4, 16, dtype=torch.int32)}, r"out.*int32"),
    "out shape": ({"out": torch.zeros(2, 5, 4, 8)}, r"out.*\[2, 5, 4, 8\]"),
    "two dtypes": ({"out": torch.zeros(2, 5, 4, 16), "out_dtype": torch.half}, r"out: got dtype"),
    "lse device": ({"lse_partial": torch.empty(3, 2, 5, 4, device="meta")}, r"meta"),
}


@pytest.mark.parametrize("name", COMBINE)
def test_combine(v3: Wheel, name: str) -> None:
    changes, words = COMBINE[name]
    good = {"out_partial": normal(3, 2, 5, 4, 16), "lse_partial": normal(3, 2, 5, 4)}
    check(v3, lambda: v3.module.flash_attn_combine(**(good | changes)), Bad({}, words))
    if "out" in changes:
        assert torch.count_nonzero(changes["out"]) == 0 or name == "out dtype"


METADATA: dict[str, tuple[dict[str, Any], str]] = {
    "lengths": ({"cache_seqlens": ints(1)}, r"cache_seqlens"),
    "lengths dtype": ({"cache_seqlens": torch.tensor([1, 2])}, r"cache_seqlens.*int64"),
    "lengths list": ({"cache_seqlens": [1, 2]}, r"cache_seqlens: got \[1, 2\] of type list"),
    "cu_seqlens_q": ({"cu_seqlens_q": ints(0, 1)}, r"cu_seqlens_q"),
    "cu_seqlens_k_new": ({"cu_seqlens_k_new": ints(0, 1)}, r"cu_seqlens_k_new"),
    "leftpad": ({"cache_leftpad": ints(0)}, r"cache_leftpad"),
    "leftpad device": ({"cache_leftpad": ints(0, 0).to("meta")}, r"cache_leftpad.*meta"),
    "new keys": ({"max_seqlen_k_new": -1}, r"max_seqlen_k_new: got -1"),
    "dtype": ({"qkv_dtype": torch.int32}, r"qkv_dtype: got torch.int32"),
    "heads": ({"num_heads_q": 3}, r"3"),
    "heads float": ({"num_heads_kv": 2.0}, r"num_heads_kv: got 2.0 of type float"),
    "page size": ({"page_size": -4}, r"page_size.*-4"),
    "window": ({"window_size": 3}, r"window_size: got 3"),
    "splits": ({"num_splits": 300}, r"num_splits.*300"),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata(v3: Wheel, name: str) -> None:
    changes, words = METADATA[name]
    names = ("batch_size", "max_seqlen_q", "max_seqlen_k", "num_heads_q", "num_heads_kv", "headdim")
    good: dict[str, Any] = dict(zip(names, (2, 1, 64, 4, 2, 16), strict=True))
    good |= {"cache_seqlens": ints(1, 2)}
    v3.module.get_scheduler_metadata(**good)
    check(v3, lambda: v3.module.get_scheduler_metadata(**(good | changes)), Bad({}, words))


def _classes(wheel: Wheel) -> Iterator[tuple[type, type]]:
    module = wheel.module
    yield module.InvalidArgument, ValueError
    yield module.NotSupported, NotImplementedError
    yield module.BackendUnavailable, RuntimeError
    yield module.InternalError, RuntimeError


def test_classes(wheel: Wheel) -> None:
    """Callers of the originals catch RuntimeError."""
    for ours, builtin in _classes(wheel):
        assert issubclass(ours, (wheel.module.FlashAttnError, builtin))
        assert issubclass(ours, builtin)
        assert issubclass(ours, RuntimeError)
