"""The semi-public operators, the raw functions and the autograd classes of the v2 interface."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, gradient, leaf, normal

CU_SEQLENS = torch.tensor([0, 2, 2, 6], dtype=torch.int32)
LENGTHS = CU_SEQLENS, CU_SEQLENS, 4, 4
# dropout_p, softmax_scale, causal, window, softcap, alibi_slopes
PLAIN = (0.0, 0.3, True, 4, -1, 2.0, None)
OPTIONS: dict[str, Any] = {
    "softmax_scale": 0.3,
    "causal": True,
    "window_size": (4, -1),
    "softcap": 2.0,
}


@pytest.fixture
def interface(v2: Wheel) -> Any:
    import flash_attn.flash_attn_interface

    return flash_attn.flash_attn_interface


def padded() -> tuple[Tensor, Tensor, Tensor]:
    return leaf(2, 5, 4, 16), leaf(2, 7, 2, 16), leaf(2, 7, 2, 16, seed=1)


def packed() -> tuple[Tensor, Tensor, Tensor]:
    return leaf(6, 4, 16), leaf(6, 2, 16), leaf(6, 2, 16, seed=1)


def expected(v2: Wheel, inputs: tuple[Tensor, ...], varlen: bool) -> tuple[Tensor, ...]:
    """out, lse, dq, dk, dv by the public functions, with out as dout."""
    function = v2.module.flash_attn_varlen_func if varlen else v2.module.flash_attn_func
    lengths = LENGTHS if varlen else ()
    out, lse, _ = function(*inputs, *lengths, **OPTIONS, return_attn_probs=True)
    gradients = torch.autograd.grad(out, inputs, out.detach())
    return out.detach(), lse.detach(), *gradients


@pytest.mark.smoke
@pytest.mark.parametrize("form", ["", "_wrapped"])
@pytest.mark.parametrize("varlen", [False, True])
def test_operators(v2: Wheel, interface: Any, form: str, varlen: bool) -> None:
    inputs, lengths = (packed(), LENGTHS) if varlen else (padded(), ())
    out, lse, *gradients = expected(v2, inputs, varlen)
    name = f"{form}_flash_attn{'_varlen' if varlen else ''}"
    q, k, v = (x.detach() for x in inputs)
    forward, backward = (getattr(interface, f"{name}_{way}") for way in ("forward", "backward"))
    results = forward(q, k, v, *lengths, *PLAIN, False)
    assert torch.equal(results[0], out)
    assert torch.equal(results[1], lse)
    assert results[2].shape == (0,)
    assert results[2].dtype == q.dtype
    assert results[3].shape == (2,)
    written = [torch.empty_like(x) for x in (q, k, v)]
    delta = backward(out, q, k, v, out, lse, *written, *lengths, *PLAIN, False, results[3])
    for ours, theirs in zip(written, gradients, strict=True):
        assert torch.equal(ours, theirs)
    rows = (out * out).sum(-1).transpose(-1, -2)
    if varlen:
        assert delta.shape == (4, 6 + 3 * 128)
    else:
        assert delta.shape == (2, 4, 128)
        assert torch.allclose(delta[..., : out.shape[1]], rows, atol=1e-5)
    # Not every gradient is wanted.
    only = torch.empty_like(k)
    backward(out, q, k, v, out, lse, None, only, None, *lengths, *PLAIN, False)
    assert torch.equal(only, gradients[1])


def test_gradients_into_views(v2: Wheel, interface: Any) -> None:
    q, k, v = (x.detach() for x in packed())
    out, lse, *_ = interface._flash_attn_varlen_forward(q, k, v, *LENGTHS, *PLAIN)
    apart = [torch.empty_like(x) for x in (q, k, v)]
    interface._flash_attn_varlen_backward(
        out, q, k, v, out, lse, *apart, *LENGTHS, *PLAIN, deterministic=True
    )
    joined = torch.empty(6, 8, 16)
    views = joined.split([4, 2, 2], 1)
    interface._flash_attn_varlen_backward(
        out, q, k, v, out, lse, *views, *LENGTHS, *PLAIN, deterministic=True
    )
    assert torch.equal(joined, torch.cat(apart, 1))


def test_dropout(v2: Wheel, interface: Any) -> None:
    q, k, v = padded()
    torch.manual_seed(3)
    out, lse, probs = v2.module.flash_attn_func(q, k, v, 0.4, 0.3, return_attn_probs=True)
    gradients = torch.autograd.grad(out, (q, k, v), out.detach())
    torch.manual_seed(3)
    q, k, v = (x.detach() for x in (q, k, v))
    plain = (0.4, 0.3, False, -1, -1, 0.0, None)
    ours, _, dmask, state = interface._flash_attn_forward(q, k, v, *plain, True)
    assert torch.equal(ours, out)
    assert torch.equal(dmask, probs)
    written = [torch.empty_like(x) for x in (q, k, v)]
    interface._flash_attn_backward(out, q, k, v, ours, lse, *written, *plain, False, state)
    assert all(torch.equal(a, b) for a, b in zip(written, gradients, strict=True))


def test_raw_functions(v2: Wheel, interface: Any) -> None:
    import flash_attn_2_cuda

    raw = interface.flash_attn_gpu
    for name in ("fwd", "bwd", "varlen_fwd", "varlen_bwd", "fwd_kvcache"):
        assert getattr(flash_attn_2_cuda, name) is getattr(raw, name)
    q, k, v = padded()
    out, lse, *gradients = expected(v2, (q, k, v), False)
    q, k, v = (x.detach() for x in (q, k, v))
    target = torch.empty_like(q)
    options = (0.0, 0.3, True, 4, -1, 2.0)
    ours, our_lse, _, state = raw.fwd(q, k, v, target, None, *options, False, None)
    assert ours is target
    assert torch.equal(ours, out)
    assert torch.equal(our_lse, lse)
    dq, dk, dv, _ = raw.bwd(
        *(out, q, k, v, out, lse, None, None, None, None, *options, False, None, state)
    )
    assert all(torch.equal(a, b) for a, b in zip((dq, dk, dv), gradients, strict=True))

    q, k, v = packed()
    out, lse, *gradients = expected(v2, (q, k, v), True)
    q, k, v = (x.detach() for x in (q, k, v))
    cu, most = (CU_SEQLENS, CU_SEQLENS), (4, 4)
    scoring, mask = (0.0, 0.3, False), (True, 4, -1, 2.0)
    results = raw.varlen_fwd(
        *(q, k, v, None, *cu, None, None, None, None, *most, *scoring, *mask, False, None)
    )
    assert torch.equal(results[0], out)
    written = [torch.empty_like(x) for x in (q, k, v)]
    results = raw.varlen_bwd(
        *(out, q, k, v, out, lse, *written, *cu, None, *most, *scoring, *mask, True, None, None)
    )
    for ours, mine, theirs in zip(results[:3], written, gradients, strict=True):
        assert ours is mine
        assert torch.equal(ours, theirs)


def test_raw_kvcache(v2: Wheel, interface: Any) -> None:
    q, new = normal(2, 1, 4, 16), normal(2, 1, 2, 16)
    caches = [normal(2, 9, 2, 16, seed=i) for i in range(2)]
    lengths = torch.tensor([3, 5], dtype=torch.int32)
    copies = [x.clone() for x in caches]
    out, lse = v2.module.flash_attn_with_kvcache(
        q, *copies, new, new, cache_seqlens=lengths, causal=True, return_softmax_lse=True
    )
    none = (None,) * 7
    last = (None, 0.25, True, -1, -1, 0.0, True, 0)
    ours, our_lse = interface.flash_attn_gpu.fwd_kvcache(
        q, *caches, new, new, lengths, *none[:6], *last
    )
    assert torch.equal(ours, out)
    assert torch.equal(our_lse, lse)
    assert all(torch.equal(a, b) for a, b in zip(caches, copies, strict=True))


def test_generator_must_be_none(v2: Wheel, interface: Any) -> None:
    q = normal(1, 2, 1, 16)
    options = (0.0, 0.3, True, -1, -1, 0.0)
    with pytest.raises(RuntimeError, match="`generator` argument is no longer supported"):
        interface.flash_attn_gpu.fwd(q, q, q, None, None, *options, False, torch.Generator())
    with pytest.raises(RuntimeError, match=r"only supported when p_dropout > 0\.0"):
        interface.flash_attn_gpu.fwd(q, q, q, None, None, *options, True, None)


def test_leftpad_of_packed_keys_is_refused(v2: Wheel, interface: Any) -> None:
    q, k, v = (x.detach() for x in packed())
    with pytest.raises(v2.module.NotSupported, match="leftpad_k"):
        interface._flash_attn_varlen_forward(
            q, k, v, *LENGTHS, 0.0, 0.3, False, leftpad_k=torch.zeros(3, dtype=torch.int32)
        )


TAIL = (0.0, None, True, (4, -1), 2.0, None, True)


@pytest.mark.parametrize(
    ("name", "function", "shapes", "lengths"),
    [
        ("FlashAttnFunc", "func", [(2, 5, 4, 16)] * 3, ()),
        ("FlashAttnKVPackedFunc", "kvpacked_func", [(2, 5, 4, 16), (2, 7, 2, 2, 16)], ()),
        ("FlashAttnQKVPackedFunc", "qkvpacked_func", [(2, 5, 3, 4, 16)], ()),
        ("FlashAttnVarlenFunc", "varlen_func", [(6, 4, 16)] * 3, LENGTHS),
        (
            "FlashAttnVarlenKVPackedFunc",
            "varlen_kvpacked_func",
            [(6, 4, 16), (6, 2, 2, 16)],
            LENGTHS,
        ),
        ("FlashAttnVarlenQKVPackedFunc", "varlen_qkvpacked_func", [(6, 3, 4, 16)], LENGTHS[::2]),
    ],
)
def test_autograd_classes(
    v2: Wheel, interface: Any, name: str, function: str, shapes: Any, lengths: Any
) -> None:
    apply = getattr(interface, name).apply
    block_table = (None,) if name == "FlashAttnVarlenFunc" else ()
    inputs = [leaf(*shape, seed=i) for i, shape in enumerate(shapes)]
    out, lse, probs = apply(*inputs, *lengths, *TAIL, True, *block_table, True)
    out.square().sum().backward()
    copies = [x.detach().requires_grad_() for x in inputs]
    public = getattr(v2.module, f"flash_attn_{function}")
    theirs, their_lse, their_probs = public(*copies, *lengths, *TAIL, return_attn_probs=True)
    theirs.square().sum().backward()
    assert torch.equal(out, theirs)
    assert torch.equal(lse, their_lse)
    assert torch.equal(probs, their_probs)
    for ours, other in zip(inputs, copies, strict=True):
        assert torch.equal(gradient(ours), gradient(other))
    assert torch.equal(apply(*inputs, *lengths, *TAIL, False, *block_table, False), out)


@pytest.mark.parametrize("varlen", [False, True])
def test_opcheck(v2: Wheel, interface: Any, varlen: bool) -> None:
    inputs, lengths = (packed(), LENGTHS) if varlen else (padded(), ())
    q, k, v = (x.detach() for x in inputs)
    forward = getattr(interface, f"_flash_attn{'_varlen' if varlen else ''}_forward")
    backward = getattr(interface, f"_flash_attn{'_varlen' if varlen else ''}_backward")
    last = () if varlen else (False,)
    torch.library.opcheck(forward, (q, k, v, *lengths, *PLAIN, *last))
    out, lse, *_ = forward(q, k, v, *lengths, *PLAIN, *last)
    written = [torch.empty_like(x) for x in (q, k, v)]
    arguments = (out.clone(), q, k, v, out, lse, *written, *lengths, *PLAIN, False)
    torch.library.opcheck(backward, arguments)


def test_what_clients_inspect(v2: Wheel, interface: Any) -> None:
    """ring attention reads defaults from the function behind the operator."""
    forward = interface._flash_attn_varlen_forward
    parameters = inspect.signature(getattr(forward, "_init_fn", forward)).parameters
    assert parameters["window_size_left"].default == -1
    assert parameters["num_splits"].default == 0
    assert interface.round_multiple(129, 128) == 256
    assert interface.round_multiple(128, 128) == 128
    assert interface._get_block_size_n(torch.device("cpu"), 64, True, False) >= 2**20
    x = normal(4, 6)[:, ::2]
    assert interface.maybe_contiguous(x).is_contiguous()
    assert interface.maybe_contiguous(None) is None
    assert interface.USE_TRITON_ROCM is False


def test_torch_compile(v2: Wheel, interface: Any) -> None:
    q, k, v = (x.detach() for x in padded())

    def call(q: Tensor, k: Tensor, v: Tensor) -> Any:
        out, lse, *_ = interface._wrapped_flash_attn_forward(q, k, v, *PLAIN, False)
        return out * 2, lse

    compiled: Any = torch.compile(call, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(compiled(q, k, v), call(q, k, v), strict=True):
        assert torch.equal(ours, theirs)
