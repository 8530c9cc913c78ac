"""torch.compile (fullgraph) and torch.export give what eager gives, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from api.support import Wheel, leaf, load, normal

CU_SEQLENS = torch.tensor([0, 2, 2, 6], dtype=torch.int32)
LENGTHS = torch.tensor([3, 5], dtype=torch.int32)


class Program(NamedTuple):
    """A function of a wheel and tensors to compile; equal seeds before each run."""

    name: str
    apis: tuple[int, ...]
    call: Callable[..., Any]
    inputs: Callable[[], list[Tensor]]
    grad: bool = True


def _qkv() -> list[Tensor]:
    return [leaf(2, 5, 4, 16, seed=1), leaf(2, 7, 2, 16, seed=2), leaf(2, 7, 2, 16, seed=3)]


def _all_options(m: Any, q: Tensor, k: Tensor, v: Tensor, sink: Tensor) -> Any:
    slopes = torch.tensor([0.5, 0.25, 0.125, 1.0])
    return m.flash_attn_func(
        q,
        k,
        v,
        softmax_scale=0.2,
        window_size=(3, 2),
        softcap=5.0,
        alibi_slopes=slopes,
        deterministic=True,
        return_attn_probs=True,
        learnable_sink=sink,
    )


def _transposed(m: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
    """What transformers does: heads before tokens outside, a view by heads afterwards."""
    out = m.flash_attn_func(*((2 * x).transpose(1, 2) for x in (q, k, v)), causal=True)
    return out.reshape(*out.shape[:2], -1) * 2


def _self_attention(m: Any, x: Tensor) -> Any:
    """The same tensor several times, with lengths taken from shapes."""
    cu_seqlens = CU_SEQLENS.clone()
    bounds = x.shape[0], x.shape[0]
    return m.flash_attn_varlen_func(x, x, x, cu_seqlens, cu_seqlens, *bounds, causal=True)


def _append(m: Any, q: Tensor, cache: Tensor, new: Tensor) -> Any:
    k_cache, v_cache = cache.clone(), 2 * cache
    out = m.flash_attn_with_kvcache(
        q, k_cache, v_cache, new, 3 * new, cache_seqlens=LENGTHS.clone(), causal=True
    )
    return out, k_cache, v_cache


def _append_to_view(m: Any, q: Tensor, cache: Tensor, new: Tensor) -> Any:
    both = torch.stack([cache, cache])
    out = m.flash_attn_with_kvcache(
        q, both[0], both[1].transpose(1, 2).contiguous().transpose(1, 2), new, new, cache_seqlens=3
    )
    return out, both


def _read_cache(m: Any, q: Tensor, cache: Tensor, new: Tensor) -> Any:
    return m.flash_attn_with_kvcache(q, cache, cache, cache_seqlens=4, return_softmax_lse=True)


def _partials(m: Any, q: Tensor, cache: Tensor, new: Tensor) -> Any:
    return m.flash_attn_with_kvcache(q, cache, cache, num_splits=3, return_softmax_lse=True)


def _cache_inputs() -> list[Tensor]:
    return [normal(2, 2, 4, 16), normal(2, 9, 2, 16), normal(2, 2, 2, 16)]


PROGRAMS = [
    Program("dense", (2, 3), lambda m, q, k, v: m.flash_attn_func(q, k, v, causal=True), _qkv),
    Program(
        "lse",
        (2, 3),
        lambda m, q, k, v: m.flash_attn_func(q, k, v, softcap=2.0, return_attn_probs=True),
        _qkv,
    ),
    Program("options", (2,), _all_options, lambda: [*_qkv(), leaf(4)]),
    Program(
        "transposed", (2, 3), _transposed, lambda: [leaf(2, 2, 5, 16, seed=i) for i in (1, 2, 3)]
    ),
    Program("same", (2, 3), lambda m, x: m.flash_attn_func(x, x, x), lambda: [leaf(2, 5, 4, 16)]),
    Program(
        "kvpacked",
        (2,),
        lambda m, q, kv: m.flash_attn_kvpacked_func(q, kv),
        lambda: [leaf(2, 5, 4, 16), leaf(2, 7, 2, 2, 16)],
    ),
    Program(
        "qkvpacked",
        (2, 3),
        lambda m, qkv: m.flash_attn_qkvpacked_func(qkv, causal=True),
        lambda: [leaf(2, 5, 3, 4, 16)],
    ),
    Program(
        "joined heads",
        (3,),
        lambda m, qkv: m.flash_attn_qkvpacked_func(qkv, num_heads_q=4, attention_chunk=2),
        lambda: [leaf(2, 5, 8, 16)],
    ),
    Program("varlen", (2, 3), _self_attention, lambda: [leaf(6, 4, 16)]),
    Program(
        "qv, splits",
        (3,),
        lambda m, q, k, v, w: m.flash_attn_func(q, k, v, qv=w, num_splits=0),
        lambda: [*_qkv(), leaf(2, 5, 4, 16, seed=9)],
    ),
    Program(
        "dropout",
        (2,),
        lambda m, q, k, v: m.flash_attn_func(q, k, v, dropout_p=0.3, return_attn_probs=True),
        _qkv,
    ),
    Program("append", (2, 3), _append, _cache_inputs, grad=False),
    Program("append to view", (2, 3), _append_to_view, _cache_inputs, grad=False),
    Program("read cache", (2, 3), _read_cache, _cache_inputs, grad=False),
    Program("partials", (3,), _partials, _cache_inputs, grad=False),
    Program(
        "combine",
        (3,),
        lambda m, o, lse: m.flash_attn_combine(o, lse, out_dtype=torch.bfloat16),
        lambda: [normal(3, 2, 5, 4, 16), normal(3, 2, 5, 4)],
        grad=False,
    ),
    Program(
        "plan",
        (3,),
        lambda m, lengths: m.get_scheduler_metadata(2, 1, 64, 8, 2, 128, lengths),
        lambda: [LENGTHS],
        grad=False,
    ),
]
CASES = [(api, program) for program in PROGRAMS for api in program.apis]
IDS = [f"v{api}-{program.name}" for api, program in CASES]


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def run(call: Callable[..., Any], program: Program) -> list[Tensor]:
    """Outputs, then gradients of a weighted sum of those that have one."""
    torch.manual_seed(11)
    inputs = program.inputs()
    with torch.set_grad_enabled(program.grad):
        outputs = call(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if not program.grad:
            return list(outputs)
        graphs = [x for x in outputs if x.requires_grad]
        loss = torch.stack([(x * normal(*x.shape, seed=5)).sum() for x in graphs]).sum()
        return [*outputs, *torch.autograd.grad(loss, inputs)]


def compare(api: int, program: Program, backend: str, dynamic: bool | None) -> None:
    module = load(api).module

    def call(*inputs: Tensor) -> Any:
        return program.call(module, *inputs)

    eager = run(call, program)
    compiled = run(torch.compile(call, backend=backend, fullgraph=True, dynamic=dynamic), program)
    for i, (a, b) in enumerate(zip(eager, compiled, strict=True)):
        assert (a.shape, a.dtype, a.requires_grad) == (b.shape, b.dtype, b.requires_grad), i
        # The kernels are the same; the few operators around them may be fused.
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(("api", "program"), CASES, ids=IDS)
def test_aot_eager(api: int, program: Program) -> None:
    compare(api, program, "aot_eager", None)


@pytest.mark.parametrize(("api", "program"), CASES, ids=IDS)
def test_dynamic_shapes(api: int, program: Program) -> None:
    compare(api, program, "aot_eager", True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transposed", "options", "varlen", "append", "partials"])
def test_inductor(name: str) -> None:
    (program,) = [p for p in PROGRAMS if p.name == name]
    compare(program.apis[-1], program, "inductor", None)


@pytest.mark.slow
def test_inductor_dropout_follows_the_seed(v2: Wheel) -> None:
    """Inductor has random numbers of its own, but `torch.manual_seed` rules them."""
    q, k, v = (x.detach() for x in _qkv())
    compiled = torch.compile(
        lambda q, k, v: v2.module.flash_attn_func(q, k, v, dropout_p=0.5), fullgraph=True
    )
    results = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        results.append(compiled(q, k, v))
    assert torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[1])


def test_dynamic_shapes_compile_once(wheel: Wheel) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    counts = []
    compiled = torch.compile(
        lambda q, k, v: wheel.module.flash_attn_func(q, k, v, causal=True),
        backend=counter,
        fullgraph=True,
        dynamic=True,
    )
    for tokens in (3, 8, 17):
        x = [leaf(2, tokens, heads, 16) for heads in (4, 2, 2)]
        out = compiled(*x)
        torch.testing.assert_close(out, wheel.module.flash_attn_func(*x, causal=True))
        out.sum().backward()
        counts.append(counter.frame_count)
    assert counts == [counts[0]] * 3


def test_mutation_is_seen_after_the_graph(wheel: Wheel) -> None:
    """A compiled decoding step writes into the cache that the caller holds."""
    q, cache, new = _cache_inputs()
    k_cache, v_cache = cache.clone(), cache.clone()

    @torch.compile(backend="aot_eager", fullgraph=True)
    def step(q: Tensor, k_cache: Tensor, v_cache: Tensor, new: Tensor) -> Any:
        return wheel.module.flash_attn_with_kvcache(
            q, k_cache, v_cache, new, new, cache_seqlens=4, causal=True
        )

    with torch.no_grad():
        out = step(q, k_cache, v_cache, new)
        expected = wheel.module.flash_attn_with_kvcache(
            q, cache, cache.clone(), new, new, cache_seqlens=4, causal=True
        )
    assert torch.equal(k_cache, cache)
    assert torch.equal(k_cache[:, 4:6], new)
    torch.testing.assert_close(out, expected, rtol=0, atol=0)


class _Block(torch.nn.Module):
    def __init__(self, attention: Callable[..., Tensor]) -> None:
        super().__init__()
        self.project = torch.nn.Linear(64, 3 * 64)
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x).unflatten(-1, (3, 4, 16)).unbind(2)
        return self.attention(q, k, v).flatten(2)


def _export(block: torch.nn.Module, strict: bool) -> Any:
    tokens, x = torch.export.Dim("tokens", min=2, max=64), normal(2, 6, 64)
    return torch.export.export(block, (x,), dynamic_shapes={"x": {1: tokens}}, strict=strict)


# Function of a wheel and the operator that it ends in.
EXPORTED: dict[str, Callable[..., Tensor]] = {
    "forward_dense": lambda m, q, k, v: m.flash_attn_func(q, k, v, causal=True, deterministic=True),
    "forward": lambda m, q, k, v: m.flash_attn_func(q, k, v, learnable_sink=torch.ones(4)),
    "forward_kvcache": lambda m, q, k, v: m.flash_attn_with_kvcache(q, k, v, causal=True),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("operator", EXPORTED)
def test_export(wheel: Wheel, operator: str, grad: bool, strict: bool) -> None:
    block = _Block(partial(EXPORTED[operator], wheel.module))
    with torch.set_grad_enabled(grad):
        program = _export(block, strict)
    for length in (6, 33):
        x = normal(2, length, 64)
        torch.testing.assert_close(program.module()(x), block(x))
    name = f"flash_attn_npu_v{wheel.api}.{operator}.default"
    code = "".join(graph.code for graph in program.graph_module.modules() if hasattr(graph, "code"))
    assert name in code


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("operator", ["forward_dense", "forward"])
def test_exported_programs_have_gradients(wheel: Wheel, operator: str, strict: bool) -> None:
    block = _Block(partial(EXPORTED[operator], wheel.module))
    exported = _export(block, strict).module()
    x = normal(2, 9, 64)
    gradients = []
    for module in (exported, block):
        loss = (module(x) * normal(2, 9, 64, seed=1)).sum()
        gradients.append(torch.autograd.grad(loss, list(module.project.parameters())))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("strict", [False, True])
def test_exported_programs_refuse_a_backward_through_a_cache(wheel: Wheel, strict: bool) -> None:
    block = _Block(partial(EXPORTED["forward_kvcache"], wheel.module))
    out = _export(block, strict).module()(normal(2, 9, 64))
    with pytest.raises(wheel.module.NotSupported, match="flash_attn_with_kvcache"):
        out.sum().backward()


def test_export_of_a_decoding_step(wheel: Wheel) -> None:
    class Step(torch.nn.Module):
        def forward(self, q: Tensor, cache: Tensor, new: Tensor, lengths: Tensor) -> Tensor:
            out: Tensor = wheel.module.flash_attn_with_kvcache(
                q, cache, cache.clone(), new, new, cache_seqlens=lengths, causal=True
            )
            return out

    q, cache, new = _cache_inputs()
    with torch.no_grad():
        program = torch.export.export(Step(), (q, cache.clone(), new, LENGTHS))
        cache_exported = cache.clone()
        exported = program.module()(q, cache_exported, new, LENGTHS)
        eager = Step()(q, cache, new, LENGTHS)
    torch.testing.assert_close(exported, eager, rtol=0, atol=0)
    assert torch.equal(cache_exported, cache)
