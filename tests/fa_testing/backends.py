"""The wheels under test: how a case becomes a call of a public function.

The conformance suite is the same for both; what differs is here (argument names, result tuples).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fa_testing.case import Case
from fa_testing.inputs import Inputs

MODULES = {2: "flash_attn", 3: "flash_attn_interface"}


@dataclass
class Wheel:
    """One installed wheel, and the device that calls get their tensors on."""

    api: int
    module: ModuleType
    device: str = "cpu"

    @staticmethod
    def load(api: int, device: str = "cpu") -> Wheel:
        return Wheel(api, importlib.import_module(MODULES[api]), device)

    @property
    def native(self) -> Any:
        """The native module `_C`."""
        return importlib.import_module(f"{MODULES[self.api]}._C")

    @property
    def cpu_ops(self) -> Any:
        """The Python module that calls the native one."""
        return importlib.import_module(f"{MODULES[self.api]}._common.cpu")

    def function(self, case: Case) -> Callable[..., Any]:
        plain = "func" if case.function == "func" else f"{case.function}_func"
        name = "with_kvcache" if case.cached else plain
        return getattr(self.module, f"flash_attn_{name}")  # type: ignore[no-any-return]


@dataclass
class Outcome:
    """What a call returned, by the names of the expected targets, and its random state."""

    results: dict[str, Tensor]
    rng: tuple[int, int] | None = None
    probs: Tensor | None = None
    partials: tuple[Tensor, ...] = field(default_factory=tuple)

    def cpu(self) -> Outcome:
        """The same in host memory."""
        results = {name: result.cpu() for name, result in self.results.items()}
        probs = None if self.probs is None else self.probs.cpu()
        return Outcome(results, self.rng, probs, tuple(x.cpu() for x in self.partials))


def common_arguments(case: Case, x: Inputs) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "softmax_scale": case.scale or None,
        "causal": case.causal,
        "window_size": tuple(case.window),
        "softcap": case.softcap,
        "learnable_sink": x.sink,
    }
    if case.int8:
        arguments |= {"k_descale": x.k_descale, "v_descale": x.v_descale}
    if not case.cached:
        arguments |= {"deterministic": case.deterministic, "return_attn_probs": case.lse}
    if case.api == 2:
        arguments["alibi_slopes"] = x.alibi
        if not case.cached:
            arguments["dropout_p"] = case.dropout
        return arguments
    arguments |= {
        "attention_chunk": case.chunk,
        "q_descale": x.q_descale,
        "k_descale": x.k_descale,
        "v_descale": x.v_descale,
        "sm_margin": case.sm_margin,
    }
    if case.function != "qkvpacked":
        pack_gqa = None if case.pack_gqa < 0 else bool(case.pack_gqa)
        arguments |= {"qv": x.qv, "num_splits": case.splits, "pack_gqa": pack_gqa}
    return arguments


def length_arguments(case: Case, x: Inputs) -> dict[str, Any]:
    if case.function == "varlen_qkvpacked":
        return {"cu_seqlens": x.cu_q, "max_seqlen": x.max_q}
    arguments: dict[str, Any] = {
        "cu_seqlens_q": x.cu_q,
        "cu_seqlens_k": x.cu_k,
        "max_seqlen_q": x.max_q if x.cu_q is not None else None,
        "max_seqlen_k": x.max_k if x.cu_k is not None else None,
    }
    if case.api == 3:
        arguments |= {"seqused_q": x.used_q, "seqused_k": x.used_k}
    elif case.function == "varlen":
        arguments["block_table"] = x.page_table
    return arguments


def cache_arguments(case: Case, x: Inputs) -> dict[str, Any]:
    lengths: Any = x.used_k
    if case.int_seqlens and case.kv_lens:
        lengths = case.kv_lens[0]
    arguments: dict[str, Any] = {
        "k": x.k_new,
        "v": x.v_new,
        "rotary_cos": x.cos,
        "rotary_sin": x.sin,
        "rotary_interleaved": not case.halves,
        "cache_seqlens": lengths,
        "cache_batch_idx": x.batch_idx,
        "cache_leftpad": x.leftpad,
        "num_splits": case.splits,
        "return_softmax_lse": case.lse,
    }
    if case.api == 2:
        return arguments | {"block_table": x.page_table}
    return arguments | {
        "page_table": x.page_table,
        "cu_seqlens_q": x.cu_q,
        "max_seqlen_q": x.max_q if x.cu_q is not None else None,
        "cu_seqlens_k_new": x.cu_new,
        "rotary_seqlens": x.rotary_seqlens,
    }


def metadata_arguments(case: Case, x: Inputs) -> dict[str, Any]:
    """Arguments of v3 get_scheduler_metadata for the same call."""
    lengths = x.used_k
    if lengths is None:
        lengths = torch.full((case.b,), x.max_k, dtype=torch.int32, device=x.q.device)
    return {
        "batch_size": case.b,
        "max_seqlen_q": x.max_q,
        "max_seqlen_k": x.max_k,
        "num_heads_q": case.hq,
        "num_heads_kv": case.hkv,
        "headdim": case.d,
        "headdim_v": case.value_dim,
        "cache_seqlens": lengths,
        "qkv_dtype": x.q.dtype,
        "cu_seqlens_q": x.cu_q,
        "cu_seqlens_k_new": x.cu_new,
        "cache_leftpad": x.leftpad,
        "page_size": case.page or None,
        "max_seqlen_k_new": max(case.new, default=0),
        "causal": case.causal,
        "window_size": tuple(case.window),
        "attention_chunk": case.chunk,
        "has_softcap": case.softcap > 0,
        "num_splits": case.splits,
        "pack_gqa": None if case.pack_gqa < 0 else bool(case.pack_gqa),
        "sm_margin": case.sm_margin,
    }


def leading_arguments(case: Case, x: Inputs) -> list[Tensor]:
    """The positional tensors."""
    if "qkvpacked" in case.function:
        assert x.packed is not None
        return [x.packed]
    if "kvpacked" in case.function:
        assert x.packed is not None
        return [x.q, x.packed]
    return [x.q, x.k, x.v]


def call_arguments(case: Case, x: Inputs, wheel: Wheel) -> dict[str, Any]:
    arguments = common_arguments(case, x)
    if case.varlen:
        arguments |= length_arguments(case, x)
    elif case.cached:
        arguments |= cache_arguments(case, x)
        if case.metadata:
            metadata = wheel.module.get_scheduler_metadata(**metadata_arguments(case, x))
            arguments["scheduler_metadata"] = metadata.clone()
    if case.function == "qkvpacked" and case.api == 3 and case.group > 1:
        arguments["num_heads_q"] = case.hq
    return arguments


def unpack_results(case: Case, returned: Any) -> Outcome:
    """The tuple forms of the functions by name; checks their length."""
    if not case.lse:
        assert isinstance(returned, Tensor), f"expected out alone, got {type(returned)}"
        return Outcome({"out": returned})
    expected = {(2, False): 3, (2, True): 2, (3, False): 2, (3, True): 4}[case.api, case.cached]
    assert len(returned) == expected, f"expected {expected} results, got {len(returned)}"
    outcome = Outcome({"out": returned[0], "lse": returned[1]})
    if case.api == 2 and not case.cached:
        outcome.probs = returned[2]
    outcome.partials = tuple(returned[2:]) if case.cached else ()
    return outcome


def split_gradients(case: Case, gradients: list[Tensor]) -> dict[str, Tensor]:
    """Gradients of the leading arguments as dq, dk, dv."""
    if "qkvpacked" in case.function:
        (whole,) = gradients
        heads = whole.flatten(-3, -2) if whole.dim() > 4 or case.varlen else whole
        parts = heads.split([case.hq, case.hkv, case.hkv], dim=-2)
    elif "kvpacked" in case.function:
        parts = (gradients[0], *gradients[1].unbind(-3))
    else:
        parts = tuple(gradients)
    return dict(zip(("dq", "dk", "dv"), parts, strict=True))


def call_forward(case: Case, x: Inputs, wheel: Wheel) -> Outcome:
    arguments = call_arguments(case, x, wheel)
    outcome = unpack_results(case, wheel.function(case)(*leading_arguments(case, x), **arguments))
    if case.cached:
        outcome.results |= {"k_cache": x.k, "v_cache": x.v}
    return outcome


def call_backward(case: Case, x: Inputs, wheel: Wheel) -> Outcome:
    """Forward and backward through autograd."""
    arguments = call_arguments(case, x, wheel)
    leaves = [t.detach().requires_grad_() for t in leading_arguments(case, x)]
    extra = {}
    for name, value in (("qv", x.qv), ("learnable_sink", x.sink)):
        if value is not None:
            extra[name] = arguments[name] = value.detach().requires_grad_()
    outcome = unpack_results(case, wheel.function(case)(*leaves, **arguments))
    assert x.dout is not None
    outputs, seeds = [outcome.results["out"]], [x.dout]
    if x.dlse is not None:
        outputs.append(outcome.results["lse"])
        seeds.append(x.dlse)
    gradients = torch.autograd.grad(outputs, [*leaves, *extra.values()], seeds)
    outcome.results |= split_gradients(case, list(gradients[: len(leaves)]))
    for name, gradient in zip(extra, gradients[len(leaves) :], strict=True):
        outcome.results["dsink" if name == "learnable_sink" else "dqv"] = gradient
    return outcome


def call(case: Case, x: Inputs, wheel: Wheel) -> Outcome:
    """Calls the public function of `case`; new keys go into x's caches. On a device these are
    copies of x's, and the outcome is brought back."""
    run = call_backward if case.backward else call_forward
    if wheel.device == "cpu":
        return run(case, x, wheel)
    return run(case, x.to(wheel.device), wheel).cpu()
