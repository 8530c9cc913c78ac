"""The operators and packages below the public functions of the v3 interface."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from api.support import Wheel, leaf, normal

CU_SEQLENS = torch.tensor([0, 2, 2, 6], dtype=torch.int32)
LENGTHS: dict[str, Any] = {
    "cu_seqlens_q": CU_SEQLENS,
    "cu_seqlens_k": CU_SEQLENS,
    "max_seqlen_q": 4,
    "max_seqlen_k": 4,
}
OPTIONS: dict[str, Any] = {"softmax_scale": 0.3, "causal": True, "softcap": 2.0}
WINDOW = {"window_size_left": 4, "window_size_right": -1}
FORWARD = (
    *("q k v k_new v_new qv out_ cu_seqlens_q cu_seqlens_k cu_seqlens_k_new seqused_q".split()),
    *("seqused_k max_seqlen_q max_seqlen_k page_table kv_batch_idx leftpad_k".split()),
    *("rotary_cos rotary_sin seqlens_rotary q_descale k_descale v_descale".split()),
    *("softmax_scale causal window_size_left window_size_right attention_chunk softcap".split()),
    *("rotary_interleaved scheduler_metadata num_splits pack_gqa sm_margin".split()),
)
BACKWARD = (
    *("dout q k v out softmax_lse cu_seqlens_q cu_seqlens_k sequed_q sequed_k".split()),
    *("max_seqlen_q max_seqlen_k dq dk dv softmax_scale is_causal window_size_left".split()),
    *("window_size_right softcap deterministic sm_margin".split()),
)


@pytest.fixture
def interface(v3: Wheel) -> Any:
    return importlib.import_module("flash_attn_3.flash_attn_interface")


@pytest.fixture
def low_level(v3: Wheel) -> Any:
    importlib.import_module("flash_attn_3._C")
    return torch.ops.flash_attn_3


def inputs(varlen: bool) -> tuple[Tensor, Tensor, Tensor]:
    if varlen:
        return leaf(6, 4, 16), leaf(6, 2, 16), leaf(6, 2, 16, seed=1)
    return leaf(2, 5, 4, 16), leaf(2, 7, 2, 16), leaf(2, 7, 2, 16, seed=1)


def expected(v3: Wheel, varlen: bool) -> tuple[Tensor, ...]:
    """out, lse, dq, dk, dv by the public functions, with out as dout."""
    tensors = inputs(varlen)
    function = v3.module.flash_attn_varlen_func if varlen else v3.module.flash_attn_func
    lengths = LENGTHS if varlen else {}
    out, lse = function(*tensors, **lengths, **OPTIONS, window_size=(4, -1), return_attn_probs=True)
    return out.detach(), lse.detach(), *torch.autograd.grad(out, tensors, out.detach())


@pytest.mark.smoke
@pytest.mark.parametrize("varlen", [False, True])
def test_operators(v3: Wheel, interface: Any, varlen: bool) -> None:
    out, lse, *gradients = expected(v3, varlen)
    lengths = LENGTHS if varlen else {}
    tensors = inputs(varlen)
    results = interface._flash_attn_forward(*tensors, **lengths, **OPTIONS, **WINDOW)
    assert torch.equal(results[0], out)
    assert torch.equal(results[1], lse)
    assert [list(x.shape) for x in results[2:]] == [[0], [0]]
    through = torch.autograd.grad(results[0], tensors, out)
    assert all(torch.equal(a, b) for a, b in zip(through, gradients, strict=True))
    q, k, v = (x.detach() for x in tensors)
    written = [torch.empty_like(x) for x in (q, k, v)]
    names = dict(zip(("dq", "dk", "dv"), written, strict=True))
    options = {**OPTIONS, **WINDOW, "is_causal": True}
    del options["causal"]
    delta = interface._flash_attn_backward(dout=out, q=q, k=k, v=v, out=out, softmax_lse=lse,
                                           **lengths, **names, **options)  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(written, gradients, strict=True))
    assert delta.dtype == torch.float32
    if not varlen:
        rows = (out * out).sum(-1).transpose(-1, -2)
        assert torch.allclose(delta[..., : out.shape[1]], rows, atol=1e-5)


@pytest.mark.parametrize("varlen", [False, True])
def test_low_level(v3: Wheel, low_level: Any, varlen: bool) -> None:
    out, lse, *gradients = expected(v3, varlen)
    q, k, v = (x.detach() for x in inputs(varlen))
    lengths = LENGTHS if varlen else {}
    options = {"softmax_scale": 0.3, "is_causal": True, "softcap": 2.0, **WINDOW}
    into = torch.empty_like(out)
    results = low_level.fwd(q, k, v, out=into, **lengths, **options, num_splits=1)
    assert results[0].data_ptr() == into.data_ptr()
    assert torch.equal(into, out)
    assert torch.equal(results[1], lse)
    written = [torch.empty_like(x) for x in (q, k, v)]
    given = low_level.bwd(out, q, k, v, out, lse, *written, **lengths, **options)
    assert len(given) == 5
    assert all(torch.equal(a, b) for a, b in zip(written, gradients, strict=True))


def test_gradient_of_lse_and_qv(v3: Wheel, interface: Any) -> None:
    q, k, v, qv = leaf(1, 3, 2, 16), leaf(1, 5, 2, 16), leaf(1, 5, 2, 32), leaf(1, 3, 2, 32)
    out, lse, *_ = interface._flash_attn_forward(q, k, v, qv=qv)
    ours = torch.autograd.grad(out.sum() + lse.sum(), (q, k, v, qv))
    out, lse = v3.module.flash_attn_func(q, k, v, qv=qv, return_attn_probs=True)
    theirs = torch.autograd.grad(out.sum() + lse.sum(), (q, k, v, qv))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def cache() -> dict[str, Any]:
    return {
        "k_cache": normal(4, 8, 2, 16),
        "v_cache": normal(4, 8, 2, 16, seed=1),
        "k": normal(2, 2, 2, 16, seed=2),
        "v": normal(2, 2, 2, 16, seed=3),
        "rotary_cos": normal(16, 8, seed=4).cos(),
        "rotary_sin": normal(16, 8, seed=4).sin(),
        "cache_seqlens": torch.tensor([5, 9], dtype=torch.int32),
        "page_table": torch.tensor([[3, 1], [0, 2]], dtype=torch.int32),
    }


@pytest.mark.parametrize("splits", [1, 2])
def test_cache(v3: Wheel, interface: Any, low_level: Any, splits: int) -> None:
    q, c = normal(2, 2, 4, 16, seed=5), cache()
    results = v3.module.flash_attn_with_kvcache(
        q, **c, causal=True, num_splits=splits, return_softmax_lse=True
    )
    for function, name in ((interface._flash_attn_forward, "causal"), (low_level.fwd, "is_causal")):
        d = cache()
        interleaved = {"causal": "rotary_interleaved"}.get(name, "is_rotary_interleaved")
        given = function(
            q,
            d["k_cache"],
            d["v_cache"],
            d["k"],
            d["v"],
            seqused_k=d["cache_seqlens"],
            page_table=d["page_table"],
            rotary_cos=d["rotary_cos"],
            rotary_sin=d["rotary_sin"],
            num_splits=splits,
            **{name: True, interleaved: True},
        )
        assert all(torch.equal(a, b) for a, b in zip(given, results, strict=True))
        assert torch.equal(d["k_cache"], c["k_cache"])
        assert torch.equal(d["v_cache"], c["v_cache"])


def test_cache_has_no_backward(v3: Wheel, interface: Any) -> None:
    q, k = leaf(1, 1, 2, 16), normal(1, 8, 2, 16)
    lengths = torch.tensor([3], dtype=torch.int32)
    leftpad = torch.tensor([1], dtype=torch.int32)
    out, *_ = interface._flash_attn_forward(q, k, k, seqused_k=lengths, leftpad_k=leftpad)
    with pytest.raises(v3.module.NotSupported, match="backward"):
        out.sum().backward()
    with pytest.raises(v3.module.InvalidArgument, match="seqused_q: got a tensor, expected None"):
        interface._flash_attn_forward(q, k, k, seqused_q=lengths, leftpad_k=leftpad)


def test_what_is_written_cannot_be_traced(v3: Wheel, interface: Any) -> None:
    if not hasattr(torch.library, "custom_op"):
        pytest.skip("this torch has no custom operators")
    with FakeTensorMode():
        q = torch.empty(1, 2, 2, 16)
        for name in ("out_", "k_new"):
            with pytest.raises(TypeError, match="while tracing"):
                interface._flash_attn_forward(q, q, q, **{name: torch.empty_like(q)})


def test_combine_and_metadata(v3: Wheel, low_level: Any) -> None:
    parts, lses = normal(3, 2, 5, 4, 16), normal(3, 2, 5, 4)
    ours = low_level.fwd_combine(parts, lses, out_dtype=torch.bfloat16)
    theirs = v3.module.flash_attn_combine(parts, lses, out_dtype=torch.bfloat16)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    lengths = torch.tensor([3, 5], dtype=torch.int32)
    sizes = 2, 1, 64, 8, 2, 128
    ours = low_level.get_scheduler_metadata(*sizes, 128, torch.bfloat16, lengths, is_causal=True)
    theirs = v3.module.get_scheduler_metadata(*sizes, lengths, causal=True)
    assert torch.equal(ours, theirs)


def operator_calls() -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    q, k, v = normal(2, 5, 4, 16), normal(2, 7, 2, 16), normal(2, 7, 2, 16, seed=1)
    x, y, z = normal(6, 4, 16), normal(6, 2, 16), normal(6, 2, 16, seed=1)
    for name in ("_flash_attn_forward", "fwd"):
        yield name, (q, k, v), {}
        yield name, (q.requires_grad_(name != "fwd"), k, v), {}
        yield name, (q.detach().transpose(1, 2).contiguous().transpose(1, 2), k, v), {}
        yield name, (x, y, z), LENGTHS
    q = q.detach()
    out, lse, *_ = torch.ops.flash_attn_3.fwd(q, k, v, num_splits=1)
    gradients = {n: torch.empty_like(t) for n, t in zip(("dq", "dk", "dv"), (q, k, v), strict=True)}
    for name in ("_flash_attn_backward", "bwd"):
        yield name, (out.clone(), q, k, v, out, lse), gradients
    yield "fwd_combine", (normal(3, 2, 5, 4, 16), normal(3, 2, 5, 4)), {}
    lengths = torch.tensor([3, 5], dtype=torch.int32)
    sizes = (2, 1, 64, 8, 2, 128, 128, torch.bfloat16, lengths)
    yield "get_scheduler_metadata", sizes, {}


def test_opcheck(low_level: Any) -> None:
    """Real and fake agree in shapes, strides and devices; the schema says what is written."""
    if not hasattr(torch.library, "opcheck"):
        pytest.skip("this torch has no opcheck")
    names = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    for name, arguments, named in operator_calls():
        # The schema of `fwd` is the original's, whose result is an input also where none is given.
        utils = names[1:2] if name in ("fwd", "fwd_combine") else names
        torch.library.opcheck(getattr(low_level, name).default, arguments, named, test_utils=utils)


def test_compiled(v3: Wheel, interface: Any) -> None:
    if not hasattr(torch.library, "custom_op"):
        pytest.skip("this torch has no custom operators")

    def function(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out, *_ = interface._flash_attn_forward(q, k, v, causal=True)
        return out.sum()  # type: ignore[no-any-return]

    tensors = inputs(False)
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    ours = torch.autograd.grad(compiled(*tensors), tensors)
    theirs = torch.autograd.grad(function(*tensors), tensors)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_signatures(v3: Wheel, interface: Any) -> None:
    for name, parameters in (("_flash_attn_forward", FORWARD), ("_flash_attn_backward", BACKWARD)):
        function = getattr(interface, name)
        function = getattr(function, "_init_fn", function)
        assert tuple(inspect.signature(function).parameters) == parameters
        assert getattr(v3.module, name) is getattr(interface, name)


def test_schemas_are_what_clients_compare_with(low_level: Any) -> None:
    """Spelled with what decides: names, defaults, what is written and the number of results."""
    fwd, bwd = low_level.fwd.default._schema, low_level.bwd.default._schema
    assert len(fwd.returns) == 4
    assert len(bwd.returns) == 5
    assert [a.name for a in fwd.arguments if a.alias_info] == ["k_new", "v_new", "out"]
    assert [a.name for a in bwd.arguments if a.alias_info] == ["dq", "dk", "dv"]
    defaults = {a.name: a.default_value for a in fwd.arguments if a.has_default_value()}
    assert defaults["is_rotary_interleaved"] is False
    assert defaults["num_splits"] == 0
    assert defaults["window_size_left"] == defaults["window_size_right"] == -1
    assert next(iter(defaults)) == "k_new"


def test_packages(v3: Wheel) -> None:
    import flash_attn_config
    import flash_attn_npu_v3

    flags = flash_attn_config.CONFIG["build_flags"]
    assert flags["FLASHATTENTION_DISABLE_SPLIT"] is False
    assert importlib.import_module("flash_attn_3.flash_attn_config").CONFIG["build_flags"] is flags
    for name in flash_attn_npu_v3.__all__:
        other = getattr(flash_attn_npu_v3, name)
        assert inspect.unwrap(other) is getattr(v3.module, name)
    again = importlib.import_module("flash_attn_3.flash_attn_interface")
    assert all(getattr(again, n) is getattr(v3.module, n) for n in again.__all__)


def test_vllm_ascend_calls(v3: Wheel) -> None:
    """The call of its batch-invariant mode: one token per sequence or more, pages of 128."""
    from flash_attn_npu_v3 import flash_attn_with_kvcache

    pages = normal(5, 128, 2, 64, dtype=torch.bfloat16), normal(5, 128, 2, 64, dtype=torch.bfloat16)
    table = torch.tensor([[4, 0], [2, 1], [3, 0]], dtype=torch.int32)
    lengths = torch.tensor([130, 200, 7], dtype=torch.int32)
    query = normal(6, 8, 64, dtype=torch.bfloat16)
    starts = torch.tensor([0, 1, 5, 6], dtype=torch.int32)

    def call(rows: slice, entries: slice, longest: int) -> Tensor:
        # The end of q goes with the end of its cu_seqlens, which then does not start with 0.
        bounds = starts[entries.start : entries.stop + 1]
        out: Tensor = flash_attn_with_kvcache(
            query[rows],
            *pages,
            cache_seqlens=lengths[entries],
            page_table=table[entries],
            cu_seqlens_q=bounds,
            max_seqlen_q=torch.tensor(longest),
            causal=True,
            window_size=[-1, -1],
            rotary_interleaved=False,
            num_splits=1,
            softcap=0.0,
            attention_chunk=0,
            sm_margin=0,
            return_softmax_lse=False,
        )
        return out

    together = call(slice(0, 6), slice(0, 3), 4)
    assert together.shape == query.shape
    for i, rows in enumerate((slice(0, 1), slice(1, 5), slice(5, 6))):
        alone = call(rows, slice(i, i + 1), rows.stop - rows.start)
        assert torch.equal(alone, together[rows])


BLOCKED = """
import importlib, sys
for name in ("einops", "torch_npu", "triton"):
    sys.modules[name] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_imports_without_optional_packages(v3: Wheel) -> None:
    names = (
        *("flash_attn_interface", "flash_attn_config", "flash_attn_npu_v3", "flash_attn_3._C"),
        *("flash_attn_3.flash_attn_interface", "flash_attn_3.flash_attn_config"),
        "flash_attn_interface.integrations.transformers",
    )
    subprocess.run([sys.executable, "-c", BLOCKED, *reversed(names)], check=True)
