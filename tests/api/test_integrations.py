"""What transformers calls, without transformers: masks, packed rows, refusals, local kernels."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, leaf, normal, reference

MODULE: Any = SimpleNamespace(is_causal=True, config=SimpleNamespace())


@pytest.fixture
def integration(wheel: Wheel) -> Any:
    return importlib.import_module(f"{wheel.name}.integrations.transformers")


def inputs(batch: int = 2, queries: int = 7, keys: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """query, key and value as models have them: heads before tokens."""
    shapes = (batch, 4, queries, 16), (batch, 2, keys, 16), (batch, 2, keys, 16)
    q, k, v = (leaf(*shape, seed=i) for i, shape in enumerate(shapes))
    return q, k, v


def expected(q: Tensor, k: Tensor, v: Tensor, causal: bool = True) -> Tensor:
    return reference(*(x.transpose(1, 2) for x in (q, k, v)), causal=causal)[0]


@pytest.mark.parametrize("causal", [True, False])
def test_dense(integration: Any, causal: bool) -> None:
    q, k, v = inputs()
    out, weights = integration.attention(MODULE, q, k, v, None, is_causal=causal)
    assert weights is None
    assert torch.allclose(out, expected(q, k, v, causal), atol=1e-6)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("queries", [7, 1, 3])
def test_padded(integration: Any, left: bool, queries: int) -> None:
    """Also with a cache, whose last tokens are the queries, and a static one, which is longer."""
    q, k, v = inputs(queries=queries, keys=9)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, slice(0, 3) if left else slice(5, 7)] = False
    out, _ = integration.attention(MODULE, q, k, v, mask)
    for i in range(2):
        seen = mask[i, 7 - queries :]
        keys, values = (x[i : i + 1, :, :7][:, :, mask[i]] for x in (k, v))
        alone = expected(q[i : i + 1][:, :, seen], keys, values)
        assert torch.allclose(out[i][seen], alone[0], atol=1e-6)
        assert not out[i][~seen].any()
    gradients = torch.autograd.grad(out.sum(), (q, k, v))
    assert all(g.isfinite().all() for g in gradients)
    assert not gradients[1][:, :, 7:].any()


def test_padded_keys_of_an_encoder(integration: Any) -> None:
    q, k, v = inputs(queries=3)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, 5:] = False
    out, _ = integration.attention(MODULE, q, k, v, mask, is_causal=False)
    alone = expected(q[:1], k[:1, :, :5], v[:1, :, :5], causal=False)
    assert torch.allclose(out[:1], alone, atol=1e-6)


@pytest.mark.parametrize("form", ["positions", "lengths"])
def test_packed(integration: Any, form: str) -> None:
    q, k, v = inputs(batch=1)
    starts = torch.tensor([0, 3, 7], dtype=torch.int64)
    given: dict[str, Any] = {"position_ids": torch.tensor([[0, 1, 2, 0, 1, 2, 3]])}
    if form == "lengths":
        given = {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts}
        given |= {"max_length_q": torch.tensor(4), "max_length_k": torch.tensor(4)}
    out, _ = integration.attention(MODULE, q, k, v, None, **given)
    rows = slice(3), slice(3, 7)
    parts = [expected(q[:, :, r], k[:, :, r], v[:, :, r]) for r in rows]
    assert torch.allclose(out, torch.cat(parts, 1), atol=1e-6)


def test_window_softcap_and_sinks(integration: Any, wheel: Wheel) -> None:
    q, k, v = inputs()
    sinks = normal(4)
    options = {"scaling": 0.3, "sliding_window": 3, "softcap": 2.0}
    out, _ = integration.attention(MODULE, q, k, v, None, s_aux=sinks, **options)
    theirs = wheel.module.flash_attn_func(
        *(x.transpose(1, 2) for x in (q, k, v)),
        softmax_scale=0.3,
        causal=True,
        window_size=(2, 0),
        softcap=2.0,
        learnable_sink=sinks,
    )
    assert torch.equal(out, theirs)


def test_rotary_under_autocast(integration: Any) -> None:
    q, k, v = inputs()
    out, _ = integration.attention(MODULE, q, k, v.bfloat16(), None)
    assert out.dtype == torch.bfloat16


def test_refusals(integration: Any, wheel: Wheel) -> None:
    q, k, v = inputs()
    call = integration.attention
    with pytest.raises(wheel.module.InvalidArgument, match=r"attention_mask: .* expected \[B, Skv"):
        call(MODULE, q, k, v, torch.ones(2, 1, 7, 7))
    with pytest.raises(wheel.module.InvalidArgument, match="at least 7"):
        call(MODULE, q, k, v, torch.ones(2, 5))
    with pytest.raises(wheel.module.NotSupported, match="output_attentions"):
        call(MODULE, q, k, v, None, output_attentions=True)
    chunked: Any = SimpleNamespace(config=SimpleNamespace(attention_chunk_size=4))
    with pytest.raises(wheel.module.NotSupported, match="attention_chunk_size"):
        call(chunked, q, k, v, None)
    if wheel.api == 3:
        with pytest.raises(wheel.module.NotSupported, match="dropout"):
            call(MODULE, q, k, v, None, dropout=0.1)
    for name in ("my_flash", "a/b", ""):
        with pytest.raises(wheel.module.InvalidArgument, match="name: got"):
            integration.register(name)


def test_local_kernel(integration: Any, wheel: Wheel, tmp_path: Path) -> None:
    command = [sys.executable, "-m", integration.__name__, str(tmp_path / "kernel")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    repository, folder = done.stdout.strip().split("=")
    assert repository.startswith("kernels-community/")
    assert Path(folder) == (tmp_path / "kernel").resolve()
    source = Path(folder, "torch-universal/__init__.py")
    spec = importlib.util.spec_from_file_location("local_kernel", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.flash_attn_with_kvcache is wheel.module.flash_attn_with_kvcache
    assert (Path(folder) / "torch-universal/metadata.json").exists()


def test_transformers_is_not_imported(wheel: Wheel) -> None:
    code = f"import sys, {wheel.name}.integrations.transformers as m; sys.exit('transformers' in sys.modules)"  # noqa: E501
    subprocess.run([sys.executable, "-c", code], check=True)
