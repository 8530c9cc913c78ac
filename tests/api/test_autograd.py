"""Gradients of every function against autograd through the plain formula in fp64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, assert_close, leaf, normal, reference

Function = Callable[..., Any]


def check_gradients(function: Function, formula: Function, *leaves: Tensor) -> None:
    """Compares all outputs and the gradient of their weighted sum."""

    def run(call: Function, inputs: Sequence[Tensor]) -> list[Tensor]:
        outputs = call(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        weights = [normal(*x.shape, seed=7 + i).to(x.dtype) for i, x in enumerate(outputs)]
        loss = torch.stack([(w * x).sum() for w, x in zip(weights, outputs, strict=True)]).sum()
        gradients = torch.autograd.grad(loss, inputs)
        return [x.detach() for x in (*outputs, *gradients)]

    actual = run(function, leaves)
    same = run(formula, leaves)
    exact = run(formula, [x.detach().double().requires_grad_() for x in leaves])
    for i, results in enumerate(zip(actual, exact, same, strict=True)):
        assert_close(*results, what=f"result {i}")


def qkv_leaves(value_dim: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    return leaf(2, 5, 4, 16, seed=1), leaf(2, 7, 2, 16, seed=2), leaf(2, 7, 2, value_dim, seed=3)


@pytest.mark.smoke
@pytest.mark.parametrize("causal", [False, True])
def test_out(wheel: Wheel, causal: bool) -> None:
    check_gradients(
        lambda q, k, v: wheel.module.flash_attn_func(q, k, v, causal=causal),
        lambda q, k, v: reference(q, k, v, causal=causal)[0],
        *qkv_leaves(),
    )


def test_out_and_lse(wheel: Wheel) -> None:
    check_gradients(
        lambda q, k, v: wheel.dense(q, k, v, softcap=3.0),
        lambda q, k, v: reference(q, k, v, softcap=3.0),
        *qkv_leaves(),
    )


def test_lse_alone(wheel: Wheel) -> None:
    check_gradients(
        lambda q, k: wheel.dense(q, k, k.detach())[1],
        lambda q, k: reference(q, k, k.detach())[1],
        *qkv_leaves()[:2],
    )


def test_value_dim_differs(wheel: Wheel) -> None:
    check_gradients(wheel.dense, reference, *qkv_leaves(value_dim=24))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_learnable_sink(wheel: Wheel, dtype: torch.dtype) -> None:
    sink = leaf(4, seed=5, dtype=dtype)
    check_gradients(
        lambda q, k, v, s: wheel.dense(q, k, v, learnable_sink=s),
        lambda q, k, v, s: reference(q, k, v, sink=s),
        *qkv_leaves(),
        sink,
    )


def test_qv(v3: Wheel) -> None:
    check_gradients(
        lambda q, k, v, qv: v3.dense(q, k, v, qv=qv),
        lambda q, k, v, qv: reference(q, k, v, qv=qv),
        *qkv_leaves(value_dim=24),
        leaf(2, 5, 4, 24, seed=4),
    )


def test_kvpacked(v2: Wheel) -> None:
    check_gradients(
        lambda q, kv: v2.module.flash_attn_kvpacked_func(q, kv),
        lambda q, kv: reference(q, *kv.unbind(2))[0],
        leaf(2, 5, 4, 16),
        leaf(2, 7, 2, 2, 16),
    )


def test_qkvpacked(wheel: Wheel) -> None:
    check_gradients(
        lambda qkv: wheel.module.flash_attn_qkvpacked_func(qkv, causal=True),
        lambda qkv: reference(*qkv.unbind(2), causal=True)[0],
        leaf(2, 5, 3, 4, 16),
    )


def test_qkv_in_one_heads_dim(v3: Wheel) -> None:
    check_gradients(
        lambda qkv: v3.module.flash_attn_qkvpacked_func(qkv, num_heads_q=4),
        lambda qkv: reference(*qkv.split([4, 2, 2], 2))[0],
        leaf(2, 5, 8, 16),
    )


CU_SEQLENS = torch.tensor([0, 3, 3, 8], dtype=torch.int32)


def by_sequence(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The formula for each of the packed sequences of `CU_SEQLENS`."""
    parts = [
        reference(*(x[None, a:b] for x in (q, k, v)), causal=True)
        for a, b in pairwise(CU_SEQLENS.tolist())
        if b > a
    ]
    return torch.cat([out[0] for out, _ in parts]), torch.cat([lse[0] for _, lse in parts], 1)


def test_varlen(wheel: Wheel) -> None:
    def varlen(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        results = wheel.module.flash_attn_varlen_func(
            q, k, v, CU_SEQLENS, CU_SEQLENS, 5, 5, causal=True, return_attn_probs=True
        )
        return results[0], results[1]

    check_gradients(varlen, by_sequence, leaf(8, 4, 16), leaf(8, 2, 16), leaf(8, 2, 16, seed=1))


def test_varlen_packed_inputs(v2: Wheel) -> None:
    check_gradients(
        lambda q, kv: v2.module.flash_attn_varlen_kvpacked_func(
            q, kv, CU_SEQLENS, CU_SEQLENS, 5, 5, causal=True
        ),
        lambda q, kv: by_sequence(q, *kv.unbind(1))[0],
        leaf(8, 4, 16),
        leaf(8, 2, 2, 16),
    )
    check_gradients(
        lambda qkv: v2.module.flash_attn_varlen_qkvpacked_func(qkv, CU_SEQLENS, 5, causal=True),
        lambda qkv: by_sequence(*qkv.unbind(1))[0],
        leaf(8, 3, 4, 16),
    )


def test_strided_inputs_and_gradients(wheel: Wheel) -> None:
    """Transposed inputs, a last dim that is not contiguous, and an expanded gradient."""

    def strided(call: Function) -> Function:
        def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            out: Tensor = call(q.transpose(1, 2), k.transpose(-1, -2), v[:, ::2])
            return out.sum()

        return run

    check_gradients(
        strided(wheel.module.flash_attn_func),
        strided(lambda q, k, v: reference(q, k, v)[0]),
        leaf(2, 4, 5, 16),
        leaf(2, 7, 16, 2),
        leaf(2, 14, 2, 16),
    )


def test_the_same_tensor_for_all(wheel: Wheel) -> None:
    check_gradients(
        lambda x: wheel.module.flash_attn_func(x, x, x),
        lambda x: reference(x, x, x)[0],
        leaf(2, 5, 4, 16),
    )


@pytest.mark.parametrize(
    "wanted", [(True, False, False), (False, True, False), (False, False, True)]
)
def test_gradients_of_some_inputs(wheel: Wheel, wanted: tuple[bool, ...]) -> None:
    q, k, v = (x.detach().requires_grad_(w) for x, w in zip(qkv_leaves(), wanted, strict=True))
    wheel.module.flash_attn_func(q, k, v).sum().backward()
    assert tuple(x.grad is not None for x in (q, k, v)) == wanted


def test_gradient_dtypes_and_shapes(wheel: Wheel) -> None:
    q, k, v = (x.detach().bfloat16().requires_grad_() for x in qkv_leaves())
    wheel.module.flash_attn_func(q, k, v).sum().backward()
    for x in (q, k, v):
        assert x.grad is not None
        assert (x.grad.dtype, x.grad.shape) == (x.dtype, x.shape)


def test_no_graph_without_need(wheel: Wheel) -> None:
    q, k, v = qkv_leaves()
    with torch.no_grad():
        assert not wheel.module.flash_attn_func(q, k, v).requires_grad
    with torch.inference_mode():
        assert not wheel.module.flash_attn_func(q, k, v).requires_grad
    inputs = [x.detach() for x in (q, k, v)]
    assert wheel.module.flash_attn_func(*inputs).grad_fn is None


def test_lse_has_a_graph_and_probs_have_none(v2: Wheel) -> None:
    q, k, v = qkv_leaves()
    for dropout_p in (0.0, 0.5):
        out, lse, probs = v2.module.flash_attn_func(
            q, k, v, dropout_p=dropout_p, return_attn_probs=True
        )
        assert out.requires_grad
        assert lse.requires_grad
        assert not probs.requires_grad


def test_dropout_backward_uses_the_forward_mask(v2: Wheel) -> None:
    """d(sum of out)/dv is the column sum of the dropped probabilities."""
    q, k, v = leaf(1, 6, 1, 16), leaf(1, 9, 1, 16, seed=1), leaf(1, 9, 1, 16, seed=2)
    torch.manual_seed(3)
    out, lse, probs = v2.module.flash_attn_func(q, k, v, dropout_p=0.4, return_attn_probs=True)
    out.sum().backward()
    kept = (probs[0, 0, :6, :9] > 0).double()
    scores = torch.einsum("bihd,bjhd->bhij", q.double(), k.double())[0, 0] / 4
    dropped = kept * torch.exp(scores - lse[0, 0, :, None].double()) / 0.6
    assert v.grad is not None
    torch.testing.assert_close(
        v.grad[0, :, 0].double(),
        dropped.sum(0)[:, None].expand(9, 16).detach(),
        rtol=1e-5,
        atol=1e-6,
    )
    assert 0 < kept.mean() < 1


def test_double_backward_is_refused(wheel: Wheel) -> None:
    q, k, v = qkv_leaves()
    out = wheel.module.flash_attn_func(q, k, v)
    (dq,) = torch.autograd.grad((out * out).sum(), q, create_graph=True)
    first_order = torch.autograd.grad((out * out).sum(), q, retain_graph=True)
    assert torch.equal(dq, first_order[0])
    with pytest.raises(wheel.module.NotSupported, match="backward of its backward"):
        dq.sum().backward()


def test_second_backward_through_the_same_graph(wheel: Wheel) -> None:
    q, k, v = qkv_leaves()
    loss = wheel.module.flash_attn_func(q, k, v).sum()
    loss.backward(retain_graph=True)
    assert q.grad is not None
    once = q.grad.clone()
    loss.backward()
    torch.testing.assert_close(q.grad, 2 * once, rtol=0, atol=0)


def test_changed_input_is_noticed(wheel: Wheel) -> None:
    q, k, v = (x * 1 for x in qkv_leaves())
    out = wheel.module.flash_attn_func(q, k, v)
    k.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_paged_keys_have_no_backward(v2: Wheel) -> None:
    q, pages = leaf(4, 2, 16), normal(3, 2, 2, 16)
    cu_seqlens = torch.tensor([0, 4], dtype=torch.int32)
    table = torch.tensor([[2, 0]], dtype=torch.int32)
    out = v2.module.flash_attn_varlen_func(
        q, pages, pages, cu_seqlens, cu_seqlens, 4, 4, block_table=table
    )
    with pytest.raises(v2.module.NotSupported, match="page_table"):
        out.sum().backward()


def test_kvcache_has_no_backward(wheel: Wheel) -> None:
    q, cache = leaf(2, 1, 4, 16), normal(2, 8, 2, 16)
    out = wheel.module.flash_attn_with_kvcache(q, cache, cache)
    with pytest.raises(wheel.module.NotSupported, match="flash_attn_with_kvcache"):
        out.sum().backward()


def test_append_to_a_cache_that_requires_grad(wheel: Wheel) -> None:
    cache, new = leaf(2, 8, 2, 16), normal(2, 1, 2, 16)
    before = cache.detach().clone()
    with pytest.raises(wheel.module.NotSupported, match="k_cache"):
        wheel.module.flash_attn_with_kvcache(
            normal(2, 1, 4, 16), cache, cache, new, new, cache_seqlens=3
        )
    assert torch.equal(cache, before)


def test_append_tells_autograd_of_the_write(wheel: Wheel) -> None:
    """A graph that saved the cache refuses to use what was overwritten."""
    weight, cache, new = leaf(1), normal(2, 8, 2, 16), normal(2, 1, 2, 16)
    loss = (weight * cache).sum()
    with torch.no_grad():
        wheel.module.flash_attn_with_kvcache(
            normal(2, 1, 4, 16), cache, cache.clone(), new, new, cache_seqlens=3
        )
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_append_in_inference_mode(wheel: Wheel) -> None:
    with torch.inference_mode():
        cache, new = torch.zeros(2, 8, 2, 16), normal(2, 1, 2, 16)
        wheel.module.flash_attn_with_kvcache(
            normal(2, 1, 4, 16), cache, cache.clone(), new, new, cache_seqlens=3
        )
        assert torch.equal(cache[:, 3:4], new)


def test_float8_has_no_backward(v3: Wheel) -> None:
    q, k, v = (x.detach().to(torch.float8_e4m3fn) for x in qkv_leaves())
    for options in ({}, {"q_descale": torch.ones(2, 2)}):
        out = v3.module.flash_attn_func(q.requires_grad_(), k, v, **options)
        assert out.dtype == torch.bfloat16
        with pytest.raises(v3.module.NotSupported, match="float8_e4m3fn"):
            out.sum().backward()


def test_combine_has_no_backward(v3: Wheel) -> None:
    out, _ = v3.module.flash_attn_combine(leaf(2, 1, 3, 4, 16), normal(2, 1, 3, 4))
    with pytest.raises(v3.module.NotSupported, match="flash_attn_combine"):
        out.sum().backward()


def test_checkpointing_repeats_the_dropout_mask(v2: Wheel) -> None:
    q, k, v = qkv_leaves()

    def block(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = v2.module.flash_attn_func(q, k, v, dropout_p=0.3)
        return out * out

    torch.manual_seed(1)
    plain = torch.autograd.grad(block(q, k, v).sum(), (q, k, v))
    torch.manual_seed(1)
    checkpointed = torch.utils.checkpoint.checkpoint(block, q, k, v, use_reentrant=False)
    for a, b in zip(plain, torch.autograd.grad(checkpointed.sum(), (q, k, v)), strict=True):
        assert torch.equal(a, b)
