"""Tensors of a case in the layout of the API, with poison wherever nothing may be read."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from fa_testing.case import Case
from fa_testing.fill import (
    DTYPES,
    POISON_PAGE,
    Source,
    Values,
    bits,
    fill_poison,
    make,
    poison_value,
)


@dataclass
class Inputs:
    """Arguments of one call. q is [B, Sq, Hq, D] or packed [Tq, Hq, D]; k and v are padded, packed,
    cache rows or pages; absent arguments are None. `packed` is the qkv or kv tensor that q, k and v
    are views of, where the function takes one."""

    q: Tensor
    k: Tensor
    v: Tensor
    max_q: int
    max_k: int
    packed: Tensor | None = None
    qv: Tensor | None = None
    k_new: Tensor | None = None
    v_new: Tensor | None = None
    cu_q: Tensor | None = None
    cu_k: Tensor | None = None
    cu_new: Tensor | None = None
    used_q: Tensor | None = None
    used_k: Tensor | None = None
    leftpad: Tensor | None = None
    batch_idx: Tensor | None = None
    page_table: Tensor | None = None
    alibi: Tensor | None = None
    sink: Tensor | None = None
    q_descale: Tensor | None = None
    k_descale: Tensor | None = None
    v_descale: Tensor | None = None
    cos: Tensor | None = None
    sin: Tensor | None = None
    rotary_seqlens: Tensor | None = None
    dout: Tensor | None = None
    dlse: Tensor | None = None

    def clone(self) -> Inputs:
        """Own storage for everything a call may write; values and strides stay."""
        changes = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("k", "v"):
            changes[name] = torch.empty_like(changes[name]).copy_(changes[name])
        return Inputs(**changes)

    def to(self, device: str) -> Inputs:
        """The same on another device: strides, and tensors that share memory, stay as they are."""
        storages: dict[int, Tensor] = {}
        moved: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            moved[f.name] = move(value, device, storages) if isinstance(value, Tensor) else value
        return Inputs(**moved)


def move(x: Tensor, device: str, storages: dict[int, Tensor]) -> Tensor:
    """`x` on a device; `storages`: by address, those that are there already."""
    storage = x.untyped_storage()
    address = storage.data_ptr()
    if address not in storages:
        whole = torch.empty(0, dtype=torch.uint8).set_(storage)
        storages[address] = whole.to(device)
    size = x.element_size()
    elements = storages[address][: storage.nbytes() // size * size].view(x.dtype)
    return elements.as_strided(x.shape, x.stride(), x.storage_offset())


def int32(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.int32)


def starts(lens: tuple[int, ...]) -> Tensor:
    return int32([sum(lens[:i]) for i in range(len(lens) + 1)])


def place(x: Tensor, layout: str) -> Tensor:
    """A tensor equal to x, [..., tokens, heads, dim], in the strides that `layout` names.

    Gaps hold NaN; the last dim always has stride 1.
    """
    if layout == "transposed":
        return x.transpose(-3, -2).contiguous().transpose(-3, -2)
    if layout == "sliced":
        *lead, tokens, heads, dim = x.shape
        room = fill_poison(torch.empty(*lead, tokens + 2, heads + 1, dim + 3, dtype=x.dtype))
        inner = room[..., 1 : tokens + 1, :heads, 2 : dim + 2]
        return inner.copy_(x)
    return x.contiguous()


def query_lengths(case: Case) -> list[int]:
    """Used queries of every entry."""
    return list(case.used_q or case.q_lens or [case.sq] * case.b)


def poison_unused(x: Tensor, lens: tuple[int, ...], used: tuple[int, ...]) -> None:
    """NaN in the tokens, of a packed or padded tensor, that seqused leaves out."""
    tokens = x.view(-1, *x.shape[-2:])
    begin = 0
    for capacity, n in zip(lens, used, strict=True):
        fill_poison(tokens[begin + n : begin + capacity])
        begin += capacity


def token_shape(case: Case, lens: tuple[int, ...], tokens: int) -> tuple[int, ...]:
    return (sum(lens),) if lens else (case.b, tokens)


def cache_capacity(case: Case) -> int:
    """Tokens that one cache row or page-table row can hold."""
    return -(-case.skv // case.page) * case.page if case.page else case.skv


def cache_rows(case: Case) -> int:
    return max(case.rows, case.b) if case.batch_idx else case.b


def valid_keys(case: Case) -> list[tuple[int, int]]:
    """[begin, end) of the cache tokens of each entry that hold data before the call."""
    end = list(case.kv_lens) or [cache_capacity(case)] * case.b
    begin = list(case.leftpad) or [0] * case.b
    return list(zip(begin, end, strict=True))


def build_cache(case: Case, source: Source, x: Inputs, k: Tensor, v: Tensor) -> None:
    """Turns logical caches [rows, capacity, H, dim] into what the call gets."""
    rows = k.shape[0]
    order = source.permutation(rows)[: case.b] if case.batch_idx else torch.arange(case.b)
    if case.batch_idx:
        x.batch_idx = order.to(torch.int32)
    held = torch.zeros(k.shape[:2], dtype=torch.bool)
    for row, (begin, end) in zip(order.tolist(), valid_keys(case), strict=True):
        held[row, begin:end] = True
    for cache in (k, v):
        bits(cache)[~held] = poison_value(cache.dtype)
    if case.page:
        k, v, x.page_table = to_pages(case, source, k, v, order)
    x.k, x.v = place(k, case.layout), place(v, case.layout)


def to_pages(
    case: Case, source: Source, k: Tensor, v: Tensor, order: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Scatters logical rows over shuffled pages; table entries that are not needed are absurd."""
    rows, capacity = k.shape[:2]
    per_row = capacity // case.page
    pages = rows * per_row + 2  # two pages belong to nobody
    table = source.permutation(pages)[: rows * per_row].reshape(rows, per_row)
    paged = []
    for cache in (k, v):
        pool = fill_poison(torch.empty(pages, case.page, *cache.shape[2:], dtype=cache.dtype))
        shape = (rows * per_row, case.page, *cache.shape[2:])
        bits(pool)[table.flatten()] = bits(cache).reshape(shape)
        paged.append(pool)
    table = table.to(torch.int32)
    new = case.new or (0,) * case.b
    needed = torch.zeros(rows, per_row, dtype=torch.bool)
    for row, (_, end), n in zip(order.tolist(), valid_keys(case), new, strict=True):
        needed[row, : -(-(end + n) // case.page)] = True
    table[~needed] = POISON_PAGE
    return paged[0], paged[1], table


def build_rotary(case: Case, source: Source, x: Inputs, dtype: torch.dtype) -> None:
    if not case.rotary:
        return
    capacity = cache_capacity(case)
    reach = max([case.sq, *case.new, *case.q_lens])
    length = capacity + reach
    turn = torch.arange(length).double()[:, None] / 100.0 ** (
        torch.arange(case.rotary // 2).double() * 2 / case.rotary
    )
    x.cos, x.sin = turn.cos().to(dtype), turn.sin().to(dtype)
    if case.rotary_seqlens:
        x.rotary_seqlens = int32([source.integer(0, capacity) for _ in range(case.b)])


def build_lengths(case: Case, x: Inputs) -> None:
    if case.packed_q:
        x.cu_q = starts(case.q_lens)
    if case.packed_k:
        x.cu_k = starts(case.kv_lens)
    if case.used_q:
        x.used_q = int32(case.used_q)
    if case.used_k:
        x.used_k = int32(case.used_k)
    if case.cached and case.kv_lens:
        x.used_k = int32(case.kv_lens)
    if case.leftpad:
        x.leftpad = int32(case.leftpad)


def build_per_head(case: Case, source: Source, x: Inputs, dtype: torch.dtype) -> None:
    if case.alibi:
        shape = (case.hq,) if case.alibi == "head" else (case.b, case.hq)
        x.alibi = (0.02 + 0.3 * source.uniform(*shape)).float()
    if case.sink:
        half = dtype in (torch.float16, torch.bfloat16) and case.seed % 2
        x.sink = (2.0 * source.normal(case.hq)).to(dtype if half else torch.float32)
    if case.descale:
        for name in ("q_descale", "k_descale", "v_descale"):
            value = (0.5 + source.uniform(case.b, case.hkv)).float()
            if case.layout != "plain":  # any strides are allowed
                value = value.repeat_interleave(2, dim=1)[:, ::2]
            setattr(x, name, value)


def build_gradients(case: Case, source: Source, x: Inputs, dtype: torch.dtype) -> None:
    if not case.backward:
        return
    lead = x.q.shape[:-1]
    dout = source.normal(*lead, case.value_dim).to(dtype)
    if case.used_q:
        poison_unused(dout, case.q_lens, case.used_q)
    x.dout = place(dout, case.layout)
    if case.dlse:
        shape = (case.hq, lead[0]) if case.packed_q else (case.b, case.hq, case.sq)
        x.dlse = source.normal(*shape).float()


def build_new_keys(case: Case, source: Source, x: Inputs, dtype: torch.dtype) -> None:
    if not case.new:
        return
    shape = (sum(case.new),) if case.ragged_new else (case.b, case.new[0])
    x.k_new = place(source.normal(*shape, case.hkv, case.d).to(dtype), case.layout)
    x.v_new = place(source.normal(*shape, case.hkv, case.value_dim).to(dtype), case.layout)
    if case.ragged_new:
        x.cu_new = starts(case.new)


def cat_heads(*parts: Tensor) -> Tensor:
    return torch.cat([bits(part) for part in parts], dim=-2).view(parts[0].dtype)


def pack(case: Case, x: Inputs) -> None:
    """Puts q, k and v into the one tensor that the packed functions take."""
    name = case.function.removeprefix("varlen_")
    if name == "kvpacked":
        whole = place(cat_heads(x.k, x.v), case.layout)
        x.packed = whole.unflatten(-2, (2, case.hkv))
        x.k, x.v = x.packed.unbind(-3)
    elif name == "qkvpacked":
        whole = place(cat_heads(x.q, x.k, x.v), case.layout)
        x.packed = whole if case.group > 1 else whole.unflatten(-2, (3, case.hq))
        x.q, x.k, x.v = whole.split([case.hq, case.hkv, case.hkv], dim=-2)


def int8_scales(case: Case, source: Source, values: Values) -> tuple[Tensor, Tensor]:
    """Scales of keys and values, around what the largest ones need: some become 127."""
    shape = (case.hkv,) if case.int8 == "head" else (case.b, case.hkv)
    scales = []
    for x in (values.k, values.v):
        largest = float(x.abs().max()) if x.numel() else 1.0
        scale = (largest / 127.0 * (0.6 + 0.6 * source.uniform(*shape))).float()
        if case.layout != "plain":  # any strides are allowed
            scale = scale.repeat_interleave(2, dim=-1)[..., ::2]
        scales.append(scale)
    return scales[0], scales[1]


def quantise(x: Tensor, scale: Tensor) -> Tensor:
    """The int8 codes of fp32 or narrower values, by the documented rule; `scale` broadcasts."""
    inverse = torch.ones_like(scale, dtype=torch.float32) / scale.float()
    scaled = x.float() * inverse
    return scaled.nan_to_num(nan=0.0).clamp(-127.0, 127.0).round().to(torch.int8)


def build_inputs(case: Case) -> Inputs:
    """Every tensor of `case`, a function of the case alone."""
    source = Source.of(case.seed)
    dtype = DTYPES[case.dt]
    q_shape = token_shape(case, case.q_lens if case.packed_q else (), case.sq)
    if case.cached:
        kv_shape: tuple[int, ...] = (cache_rows(case), cache_capacity(case))
    else:
        kv_shape = token_shape(case, case.kv_lens if case.packed_k else (), case.skv)
    values = make(
        case.fill,
        source,
        Values(
            source.normal(*q_shape, case.hq, case.d),
            source.normal(*kv_shape, case.hkv, case.d),
            source.normal(*kv_shape, case.hkv, case.value_dim),
        ),
    )
    scales = int8_scales(case, source, values) if case.int8 else (None, None)
    q = values.q.to(dtype)
    k, v = (
        t.to(dtype) if scale is None else quantise(t, scale.mean())
        for t, scale in zip((values.k, values.v), scales, strict=True)
    )
    max_q = max(case.q_lens, default=case.sq) if case.packed_q else case.sq
    max_k = max(case.kv_lens, default=case.skv) if case.packed_k else cache_capacity(case)
    x = Inputs(q, k, v, max_q=max_q, max_k=max_k, k_descale=scales[0], v_descale=scales[1])
    if case.qv:
        x.qv = (0.5 * source.normal(*q_shape, case.hq, case.value_dim)).to(dtype)
    if case.used_q:
        for tensor in (q, x.qv):
            if tensor is not None:
                poison_unused(tensor, case.q_lens, case.used_q)
    if case.used_k:
        for tensor in (k, v):
            poison_unused(tensor, case.kv_lens, case.used_k)
    build_lengths(case, x)
    if case.cached:
        build_cache(case, source, x, k, v)
    elif case.page:
        build_paged_varlen(case, source, x)
    elif "packed" in case.function:
        pack(case, x)
    else:
        x.k, x.v = place(k, case.layout), place(v, case.layout)
    if "qkv" not in case.function:
        x.q = place(x.q, case.layout)
    x.qv = None if x.qv is None else place(x.qv, case.layout)
    build_new_keys(case, source, x, dtype)
    build_rotary(case, source, x, dtype)
    build_per_head(case, source, x, dtype)
    build_gradients(case, source, x, dtype)
    return x


def build_paged_varlen(case: Case, source: Source, x: Inputs) -> None:
    """v2 varlen with block_table: packed keys of each entry go to the pages of its table row."""
    capacity = -(-max([*case.kv_lens, 1]) // case.page) * case.page
    logical = []
    for packed in (x.k, x.v):
        rows = fill_poison(torch.empty(case.b, capacity, *packed.shape[1:], dtype=packed.dtype))
        for b, n in enumerate(case.kv_lens):
            begin = sum(case.kv_lens[:b])
            rows[b, :n] = packed[begin : begin + n]
        logical.append(rows)
    paged = to_pages(case, source, logical[0], logical[1], torch.arange(case.b))
    x.k, x.v = place(paged[0], case.layout), place(paged[1], case.layout)
    x.page_table = paged[2]


def default_scale(case: Case) -> float:
    if case.scale:
        return case.scale
    return 1.0 / math.sqrt(case.d + (case.value_dim if case.qv else 0))
