"""Unmodified transformers models: our attention against their eager one."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")

from clients import models
from clients.conftest import LOCAL, REGISTERED

BOUND = 1e-5  # fp32, of logits of size 1 to 10


def skip_if_never_asked(name: str, implementation: str, calls: list[str]) -> None:
    if name == "gpt_oss" and implementation == "flash_attention_2":
        calls.append("none expected")
        pytest.skip("transformers never asks flash attention 2 for sinks")


@pytest.fixture(params=models.NAMES)
def pair(request: pytest.FixtureRequest, implementation: str, calls: list[str]) -> tuple[Any, Any]:
    """A model with eager attention and the same with ours."""
    skip_if_never_asked(request.param, implementation, calls)
    eager = models.make(request.param)
    return eager, models.with_attention(eager, implementation)


@pytest.fixture(autouse=True)
def calls(implementation: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of our functions as they are called; a test in which none is called fails."""
    module: Any = importlib.import_module((LOCAL | REGISTERED)[implementation])
    seen: list[str] = []
    cores = importlib.import_module(f"{module.__name__}._common.cpu")
    for name in ("forward_dense", "attend", "attend_kvcache"):
        original = getattr(cores, name)

        def counted(*arguments: Any, _name: str = name, _original: Any = original) -> Any:
            seen.append(_name)
            return _original(*arguments)

        monkeypatch.setattr(cores, name, counted)
    yield seen
    assert seen


def difference(pair: tuple[Any, Any], keep: Tensor | None = None, **inputs: Any) -> float:
    """Largest difference of the logits, of those that `keep` selects."""
    with torch.no_grad():
        a, b = (model(**inputs).logits for model in pair)
    error = (a - b).abs()
    return float((error if keep is None else error[keep.bool()]).max())


def test_dense(pair: tuple[Any, Any]) -> None:
    assert difference(pair, input_ids=models.tokens(2, 23)) < BOUND


@pytest.mark.parametrize("left", [True, False])
def test_padded(pair: tuple[Any, Any], left: bool) -> None:
    mask = models.padding(3, 23, 5, 0, 16, left=left)
    inputs = {"input_ids": models.tokens(3, 23), "attention_mask": mask}
    if left:
        inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp_min(0)
    assert difference(pair, mask, **inputs) < BOUND


def test_packed(pair: tuple[Any, Any]) -> None:
    """By positions that start again, and by the lengths themselves: also equal to one by one."""
    lengths = (9, 1, 14)
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    ids = models.tokens(1, sum(lengths))
    # Eager attention takes the row for one sequence: with a cache, and in gpt_oss always.
    if pair[0].config.model_type != "gpt_oss":
        assert difference(pair, input_ids=ids, position_ids=positions, use_cache=False) < BOUND
    _, ours = pair
    cu_seqlens = torch.tensor([0, 9, 10, 24], dtype=torch.int32)
    bounds = {
        "cu_seq_lens_q": cu_seqlens,
        "cu_seq_lens_k": cu_seqlens,
        "max_length_q": 14,
        "max_length_k": 14,
    }
    for more in ({}, bounds):
        with torch.no_grad():
            packed = ours(input_ids=ids, position_ids=positions, use_cache=False, **more).logits
            for part, alone in zip(packed.split(lengths, 1), ids.split(lengths, 1), strict=True):
                assert (part - ours(input_ids=alone).logits).abs().max() < BOUND


def test_generate(pair: tuple[Any, Any]) -> None:
    mask = models.padding(3, 11, 4, 0, 9)
    options: dict[str, Any] = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None}
    ids = models.tokens(3, 11)
    a, b = (m.generate(input_ids=ids, attention_mask=mask, **options) for m in pair)
    assert a.shape == (3, 23)
    assert torch.equal(a, b)


def test_backward(pair: tuple[Any, Any]) -> None:
    mask = models.padding(2, 23, 5, 0)
    ids = models.tokens(2, 23)
    losses = []
    for model in pair:
        model.zero_grad()
        logits = model(input_ids=ids, attention_mask=mask).logits[mask.bool()]
        loss = torch.nn.functional.cross_entropy(logits, ids[mask.bool()])
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for (name, a), (_, b) in zip(*(m.named_parameters() for m in pair), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None and b.grad is not None:
            assert (a.grad - b.grad).abs().max() < BOUND * max(1.0, float(a.grad.abs().max())), name


def test_bf16(pair: tuple[Any, Any]) -> None:
    """Compared with fp32, our error is at most twice that of eager attention."""
    eager, ours = pair
    ids = models.tokens(2, 23)
    with torch.no_grad():
        exact = eager(input_ids=ids).logits
        low = [m.to(torch.bfloat16)(input_ids=ids).logits.float() for m in (eager, ours)]
    eager_error, our_error = ((x - exact).abs() for x in low)
    rounding = torch.finfo(torch.bfloat16).eps * exact.abs().max()
    assert our_error.mean() <= 2 * eager_error.mean()
    assert our_error.max() <= 2 * eager_error.max() + rounding


@pytest.mark.parametrize("name", models.NAMES)
def test_compiled(name: str, implementation: str, calls: list[str]) -> None:
    """In one graph that holds our operator; transformers' own names write a log line in fp32."""
    skip_if_never_asked(name, implementation, calls)
    dtype = torch.bfloat16 if implementation in LOCAL else torch.float32
    ours = models.with_attention(models.make(name, dtype), implementation)
    ids = models.tokens(2, 23)

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        calls.extend(t for t in (str(n.target) for n in graph.graph.nodes) if "flash_attn_npu" in t)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    calls.clear()
    torch._dynamo.reset()  # the models share code: each would count as a recompilation
    with torch.no_grad():
        compiled = torch.compile(ours, backend=backend, fullgraph=True)
        result = compiled(input_ids=ids, use_cache=False).logits
    assert len([name for name in calls if "flash_attn_npu" in name]) == 2  # layers
    with torch.no_grad():
        expected = ours(input_ids=ids, use_cache=False).logits
    assert (result - expected).abs().max() < (BOUND if dtype == torch.float32 else 1e-2)


# Continuous batching takes implementations with transformers' own names only.
@pytest.mark.parametrize("implementation", list(LOCAL), indirect=True)
@pytest.mark.parametrize("name", models.NAMES)
def test_continuous_batching(name: str, implementation: str, calls: list[str]) -> None:
    from transformers import GenerationConfig

    skip_if_never_asked(name, implementation, calls)
    eager = models.make(name)
    ours = models.with_attention(eager, implementation)
    prompts = [models.tokens(n, seed=n).tolist() for n in (3, 17, 9, 5)]
    config = GenerationConfig(
        max_new_tokens=8, do_sample=False, eos_token_id=-1, pad_token_id=0, use_cuda_graph=False
    )
    results = ours.generate_batch(inputs=prompts, generation_config=config)
    generated = [results[key].generated_tokens for key in sorted(results)]
    for prompt, found in zip(prompts, generated, strict=True):
        ids = torch.tensor([prompt])
        options: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
        alone = eager.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
        assert found == alone[0, len(prompt) :].tolist()
