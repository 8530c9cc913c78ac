"""Rotary embedding: generated cases against fp64, in place, views, autograd, the module."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from api.support import Wheel, gradient, leaf, normal
from fa_testing.layers import check, pick, rotary

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BATCHES, PER_BATCH = 20, 30


@pytest.fixture
def layers(v2: Wheel) -> Any:
    import flash_attn.layers.rotary

    return flash_attn.layers.rotary


class Case(NamedTuple):
    """x with the arguments of a call and the position of each token."""

    x: Tensor
    cos: Tensor
    sin: Tensor
    positions: Tensor
    offsets: int | Tensor
    cu_seqlens: Tensor | None
    longest: int
    interleaved: bool


def tables(generator: torch.Generator, length: int, half: int, dtype: torch.dtype) -> Any:
    angle = torch.rand(length, half, generator=generator) * 6.3
    return angle.cos().to(dtype), angle.sin().to(dtype)


def strided(generator: torch.Generator, x: Tensor) -> Tensor:
    """The same values in one of several layouts."""
    kind = pick(generator, "plain", "heads first", "between", "last")
    if kind == "heads first":
        return x.transpose(-2, -3).contiguous().transpose(-2, -3)
    if kind == "between":
        wide = torch.zeros(*x.shape[:-2], 3, *x.shape[-2:], dtype=x.dtype)
        wide[..., 1, :, :] = x
        return wide[..., 1, :, :]
    if kind == "last":
        wide = torch.zeros(*x.shape, 2, dtype=x.dtype)
        wide[..., 0] = x
        return wide[..., 0]
    return x


def generated(seed: int) -> Case:
    g = torch.Generator().manual_seed(seed)
    dtype = pick(g, *DTYPES)
    heads, half = pick(g, 1, 2, 5), pick(g, 1, 3, 4, 8, 16, 32, 37, 64)
    dim = 2 * half + pick(g, 0, 0, 1, 6, 16)
    lengths = [pick(g, 0, 1, 2, 7, 19) for _ in range(pick(g, 1, 2, 4))]
    batch, longest = len(lengths), max(1, *lengths)
    rows = longest + pick(g, 0, 1, 9)
    cos, sin = tables(g, rows, half, pick(g, dtype, torch.float32))
    offset: int | Tensor = pick(g, 0, rows - longest)
    if pick(g, True, False):
        kind = pick(g, torch.int32, torch.int64)
        # Some tokens end up behind the tables.
        offset = torch.randint(0, rows - longest + 3, (batch,), generator=g).to(kind)
    starts = torch.as_tensor(offset).expand(batch)
    interleaved = pick(g, True, False)
    if pick(g, True, False):
        x = torch.randn(batch, longest, heads, dim, generator=g).to(dtype)
        positions = starts[:, None] + torch.arange(longest)
        return Case(strided(g, x), cos, sin, positions, offset, None, longest, interleaved)
    first, after = pick(g, 0, 2), pick(g, 0, 3)
    cu = torch.tensor([0, *lengths]).cumsum(0) + first
    x = torch.randn(int(cu[-1]) + after, heads, dim, generator=g).to(dtype)
    positions = torch.full((x.shape[0],), -1)
    for b, length in enumerate(lengths):
        begin = int(cu[b])
        positions[begin : begin + length] = torch.arange(length) + starts[b]
    return Case(
        strided(g, x), cos, sin, positions, offset, cu.to(torch.int32), longest, interleaved
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_generated_cases(layers: Any, batch: int) -> None:
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        case = generated(seed)
        x = case.x
        arguments = (case.cos, case.sin, case.interleaved)
        placed = (case.offsets, case.cu_seqlens, case.longest)
        expected = rotary(x, case.cos, case.sin, case.positions, case.interleaved)
        out = layers.apply_rotary_emb(x, *arguments, False, *placed)
        assert out.dtype == x.dtype
        check(f"out of case {seed}", out, expected)
        # Whatever stays is not even rounded.
        stay = case.positions < 0
        assert torch.equal(out[stay], x[stay])
        copy = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype).copy_(x)
        inplace = layers.apply_rotary_emb(copy, *arguments, True, *placed)
        assert inplace.data_ptr() == copy.data_ptr()
        assert torch.equal(copy, out)
        given = x.detach().clone().requires_grad_()
        dout = normal(*x.shape, seed=seed).to(x.dtype)
        (dx,) = torch.autograd.grad(
            layers.apply_rotary_emb(given, *arguments, False, *placed), given, dout
        )
        back = rotary(dout, case.cos, case.sin, case.positions, case.interleaved, conjugate=True)
        check(f"dx of case {seed}", dx, back)


@pytest.mark.smoke
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("interleaved", [False, True])
def test_as_plain_torch(layers: Any, inplace: bool, interleaved: bool) -> None:
    cos, sin = tables(torch.Generator().manual_seed(0), 9, 8, torch.float32)
    x, y = leaf(2, 9, 3, 20), leaf(2, 9, 3, 20)
    ours = layers.apply_rotary_emb_func(x, cos, sin, interleaved, inplace)
    plain = layers.apply_rotary_emb_torch(y, cos, sin, interleaved)
    assert torch.allclose(ours, plain, atol=1e-6)
    ours.square().sum().backward()
    plain.square().sum().backward()
    assert torch.allclose(gradient(x), gradient(y), atol=1e-5)


@pytest.mark.parametrize("own_keys", [False, True])
@pytest.mark.parametrize("form", ["stacked", "strided", "grouped"])
def test_packed_in_place(layers: Any, form: str, own_keys: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    cos, sin = tables(generator, 9, 8, torch.float32)
    cos_k, sin_k = tables(generator, 9, 8, torch.float32) if own_keys else (None, None)
    offsets = torch.tensor([0, 2], dtype=torch.int32)
    if form == "grouped":
        start = normal(2, 7, 4 + 2 * 2, 16)
        q, k, v = start.split([4, 2, 2], 2)
    else:
        start = normal(2, 7, 3, 4, 16)
        q, k, v = start.unbind(2)
    if form == "strided":
        start = start.transpose(1, 3).contiguous().transpose(1, 3)
    heads = 4 if form == "grouped" else None
    weight = normal(*start.shape, seed=5)

    def joined(parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, 2) if form == "grouped" else torch.stack(parts, 2)

    expected = joined(
        [
            layers.apply_rotary_emb(q, cos, sin, seqlen_offsets=offsets),
            layers.apply_rotary_emb(
                *(k, cos if cos_k is None else cos_k, sin if sin_k is None else sin_k),
                seqlen_offsets=offsets,
            ),
            v,
        ]
    )
    leaf_qkv = start.clone().requires_grad_()
    qkv = leaf_qkv * 1.0
    out = layers.apply_rotary_emb_qkv_(
        qkv, cos, sin, cos_k, sin_k, seqlen_offsets=offsets, num_heads_q=heads
    )
    assert out.data_ptr() == qkv.data_ptr()
    assert torch.equal(out, expected)
    weight_before = weight.clone()
    (grad,) = torch.autograd.grad(out, leaf_qkv, weight)
    assert torch.equal(weight, weight_before)
    # A rotation keeps scalar products.
    assert torch.allclose((grad * start).sum(), (weight * expected).sum(), rtol=1e-4)


def test_keys_in_place(layers: Any) -> None:
    cos, sin = tables(torch.Generator().manual_seed(1), 9, 8, torch.float32)
    start = normal(2, 7, 2, 4, 16)
    leaf_kv = start.clone().requires_grad_()
    kv = leaf_kv * 1.0
    out = layers.apply_rotary_emb_kv_(kv, cos, sin, interleaved=True, seqlen_offsets=2)
    k = layers.apply_rotary_emb(start[:, :, 0], cos, sin, True, seqlen_offsets=2)
    assert torch.equal(out, torch.stack([k, start[:, :, 1]], 2))
    (grad,) = torch.autograd.grad(out, leaf_kv, torch.ones_like(out))
    assert torch.equal(grad[:, :, 1], torch.ones(2, 7, 4, 16))
    back = layers.apply_rotary_emb(torch.ones(2, 7, 4, 16), cos, -sin, True, seqlen_offsets=2)
    assert torch.allclose(grad[:, :, 0], back)


@pytest.mark.parametrize("scale_base", [None, 512.0])
def test_module(layers: Any, scale_base: float | None) -> None:
    module = layers.RotaryEmbedding(16, scale_base=scale_base)
    start = normal(2, 7, 3, 4, 16)
    joint = module(start.clone())
    q, kv = module(start[:, :, 0].clone(), start[:, :, 1:].clone())
    assert torch.equal(joint, torch.cat([q[:, :, None], kv], 2))
    frequency = 10000.0 ** -(torch.arange(0, 16, 2) / 16.0)
    angle = torch.outer(torch.arange(7.0), frequency)
    scale = torch.ones(7, 8)
    if scale_base is not None:
        power = (torch.arange(7.0) - 7 // 2) / scale_base
        scale = ((torch.arange(0, 16, 2) + 6.4) / 22.4) ** power[:, None]
    expected = layers.apply_rotary_emb_torch(
        start[:, :, 0], angle.cos() * scale, angle.sin() * scale
    )
    assert torch.allclose(q, expected, atol=1e-6)
    keys = layers.apply_rotary_emb_torch(start[:, :, 1], angle.cos() / scale, angle.sin() / scale)
    assert torch.allclose(kv[:, :, 0], keys, atol=1e-6)
    assert not list(module.state_dict())


def test_module_with_offsets(layers: Any) -> None:
    module = layers.RotaryEmbedding(16, interleaved=True)
    start = normal(2, 3, 3, 4, 16)
    offsets = torch.tensor([4, 1])
    with pytest.raises(RuntimeError, match="max_seqlen"):
        module(start.clone(), seqlen_offset=offsets)
    shifted = module(start.clone(), seqlen_offset=offsets, max_seqlen=9)
    for b in range(2):
        alone = module(start[b : b + 1].clone(), seqlen_offset=int(offsets[b]))
        assert torch.equal(shifted[b : b + 1], alone)
    half = layers.RotaryEmbedding(16).to(torch.bfloat16)
    result = half(start.bfloat16())
    assert result.dtype == torch.bfloat16
    exact = layers.RotaryEmbedding(16)
    exact._update_cos_sin_cache(3, torch.device("cpu"), torch.bfloat16)
    assert torch.equal(half._cos_cached, exact._cos_cached)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_views_of_one_tensor_in_place(layers: Any, dtype: torch.dtype) -> None:
    """Clients rotate what `unbind` or `split` gave them; fp64 takes the way of plain PyTorch."""
    cos, sin = tables(torch.Generator().manual_seed(1), 9, 8, dtype)
    gradients = []
    for inplace in (True, False):
        start = normal(2, 9, 3, 4, 16).to(dtype).requires_grad_()
        q, k, v = (start * 1.0).unbind(2)
        q = layers.apply_rotary_emb(q, cos, sin, inplace=inplace)
        k = layers.apply_rotary_emb(k, cos, sin, inplace=inplace)
        (q * k * v).sum().backward()
        gradients.append(gradient(start))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": normal(2, 3, 16)}, "x: got shape"),
        ({"cos": normal(9, 9), "sin": normal(9, 9)}, "cos: got 9 columns"),
        ({"cos": normal(2, 8), "sin": normal(2, 8)}, "cos: got 2 rows"),
        ({"sin": normal(9, 7)}, "sin: got shape"),
        ({"seqlen_offsets": 7}, "seqlen_offsets: got 7"),
        ({"seqlen_offsets": -1}, "seqlen_offsets: got -1"),
        ({"seqlen_offsets": torch.zeros(3, dtype=torch.int32)}, "seqlen_offsets: got a tensor"),
        ({"x": normal(6, 2, 16), "cu_seqlens": torch.tensor([0, 6])}, "max_seqlen: got None"),
    ],
)
def test_refusals(v2: Wheel, changed: dict[str, Any], message: str) -> None:
    from flash_attn.ops.triton.rotary import apply_rotary

    call: dict[str, Any] = {"x": normal(2, 3, 2, 16), "cos": normal(9, 8), "sin": normal(9, 8)}
    with pytest.raises(v2.module.InvalidArgument, match=message):
        apply_rotary(**(call | changed))


def operator_calls() -> list[tuple[str, tuple[Any, ...]]]:
    tables_of = normal(9, 8), normal(9, 8, seed=1)
    cu = torch.tensor([0, 2, 6], dtype=torch.int32)
    offsets = torch.tensor([1, 3], dtype=torch.int32)
    calls: list[tuple[str, tuple[Any, ...]]] = []
    for x, bounds in ((normal(2, 5, 3, 20), None), (normal(6, 3, 16), cu)):
        for offset in (None, offsets):
            arguments = (*tables_of, offset, 1, bounds, True, False)
            calls += [("rotary", (x, *arguments)), ("rotary_", (x.clone(), *arguments))]
    calls.append(("rotary", (normal(2, 3, 5, 16).transpose(1, 2), *calls[0][1][1:])))
    return calls


def test_opcheck(v2: Wheel) -> None:
    import flash_attn.layers.rotary  # noqa: F401, registers the operators

    for name, arguments in operator_calls():
        torch.library.opcheck(getattr(v2.ops, name).default, arguments)


def test_torch_compile(layers: Any) -> None:
    cos, sin = tables(torch.Generator().manual_seed(1), 9, 8, torch.float32)
    x = normal(2, 9, 3, 16)

    def call(x: Tensor) -> Tensor:
        return layers.apply_rotary_emb(x * 2, cos, sin)  # type: ignore[no-any-return]

    compiled: Any = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), call(x))
