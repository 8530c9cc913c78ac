"""Layer norm and RMS norm: generated cases against fp64 with every argument, modules, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, gradient, leaf, normal
from fa_testing.layers import NormCase, check, norm, pick

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BATCHES, PER_BATCH = 20, 30
P = 0.3


@pytest.fixture
def norms(v2: Wheel) -> Any:
    import flash_attn.ops.triton.layer_norm

    return flash_attn.ops.triton.layer_norm


def generated(seed: int) -> tuple[NormCase, bool, bool, torch.Generator]:
    """A case, whether it has dropout, whether it returns the sum."""
    g = torch.Generator().manual_seed(seed)
    rows, width = pick(g, 1, 2, 5, 33), pick(g, 1, 2, 7, 16, 31, 64, 100, 257, 1030)
    dtype, other = pick(g, *DTYPES), pick(g, *DTYPES)
    weight_dtype = pick(g, dtype, torch.float32)
    shift, spread = pick(g, 0.0, 0.0, 3.0), pick(g, 0.01, 1.0, 8.0)

    def rows_of(kind: torch.dtype) -> Tensor:
        values: Tensor = torch.randn(rows, width, generator=g) * spread + shift
        return values.to(kind)

    def vector(there: bool = True) -> Tensor | None:
        return torch.randn(width, generator=g).to(weight_dtype) if there else None

    x = rows_of(dtype)
    if pick(g, False, False, True):
        x = torch.nn.functional.pad(x, (0, 5))[:, :width]
    residual = rows_of(other) if pick(g, True, False) else None
    kind = pick(g, "plain", "plain", "x1", "rowscale")
    second = pick(g, False, False, True)
    in_fp32 = pick(g, False, True)
    weight = vector()
    assert weight is not None
    case = NormCase(
        x=x,
        weight=weight,
        bias=vector(pick(g, True, False)),
        residual=residual,
        x1=rows_of(dtype) if kind == "x1" else None,
        weight1=vector(second),
        bias1=vector(second and pick(g, True, False)),
        rowscale=torch.randn(rows, generator=g) if kind == "rowscale" else None,
        eps=pick(g, 1e-6, 1e-5, 0.1),
        zero_centered=pick(g, False, True),
        rms=pick(g, False, True),
        sum_dtype=other if residual is not None else (torch.float32 if in_fp32 else dtype),
        out_dtype=pick(g, dtype, dtype, torch.float32),
    )
    return case, pick(g, False, False, True), pick(g, False, True), g


def call(norms: Any, c: NormCase, dropout: bool, prenorm: bool) -> tuple[dict[str, Tensor], Any]:
    """Results by name, and the masks."""
    results = norms.layer_norm_fn(
        *(c.x, c.weight, c.bias, c.residual, c.x1, c.weight1, c.bias1),
        eps=c.eps,
        dropout_p=P if dropout else 0.0,
        rowscale=c.rowscale,
        prenorm=prenorm,
        residual_in_fp32=c.sum_dtype == torch.float32,
        zero_centered_weight=c.zero_centered,
        is_rms_norm=c.rms,
        return_dropout_mask=True,
        out_dtype=c.out_dtype,
    )
    *values, mask, mask1 = results
    names = ["y", *(["y1"] if c.weight1 is not None else []), *(["h"] if prenorm else [])]
    return dict(zip(names, values, strict=True)), (mask, mask1)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_generated_cases(norms: Any, batch: int) -> None:
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        case, dropout, prenorm, g = generated(seed)
        tensors = {
            name: value.detach().requires_grad_()
            for name in ("x", "weight", "bias", "residual", "x1", "weight1", "bias1")
            if (value := getattr(case, name)) is not None
        }
        results, masks = call(norms, case._replace(**tensors), dropout, prenorm)
        assert (masks[0] is not None) == dropout
        assert (masks[1] is not None) == (dropout and case.x1 is not None)
        keep, keep1 = (None if m is None else m.double() / (1 - P) for m in masks)
        gradients = {n: torch.randn(v.shape, generator=g).to(v.dtype) for n, v in results.items()}
        expected = norm(
            case._replace(keep=(keep, keep1)),
            *(gradients["y"], gradients.get("y1"), gradients.get("h")),
        )
        dtypes = {"y": case.out_dtype, "y1": case.out_dtype, "h": case.sum_dtype}
        for name, value in results.items():
            assert value.dtype == dtypes[name], (seed, name)
            check(f"{name} of case {seed}", value.detach(), expected[name])
        found = torch.autograd.grad(
            list(results.values()), list(tensors.values()), list(gradients.values())
        )
        for name, value in zip(tensors, found, strict=True):
            assert value.dtype == tensors[name].dtype
            check(f"d{name} of case {seed}", value, expected[f"d{name}"])


@pytest.mark.parametrize("batch", range(5))
def test_results_are_the_same_without_gradients(norms: Any, batch: int) -> None:
    for seed in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
        case, _, prenorm, _ = generated(seed)
        case = case._replace(x1=None, rowscale=None, weight1=None, bias1=None)
        options: dict[str, Any] = {
            "eps": case.eps,
            "prenorm": prenorm,
            "residual_in_fp32": case.sum_dtype == torch.float32,
            "zero_centered_weight": case.zero_centered,
            "is_rms_norm": case.rms,
            "out_dtype": case.out_dtype,
        }
        expected = norm(case, torch.ones_like(case.x), None, None)
        tensors = (case.weight, case.bias, case.residual)
        results = norms.layer_norm_fn(case.x, *tensors, **options)
        for name, value in zip(("y", "h"), results if prenorm else (results,), strict=False):
            dtype = case.out_dtype if name == "y" else case.sum_dtype
            assert value.dtype == dtype, (seed, name)
            check(f"{name} of case {seed}", value, expected[name])
        if case.rms:
            del options["is_rms_norm"]
            again = norms.rms_norm_fn(case.x, *tensors, **options)
            for one, other in zip(again if prenorm else (again,), results, strict=False):
                assert torch.equal(one, other if prenorm else results)


@pytest.mark.smoke
@pytest.mark.parametrize("rms", [False, True])
def test_as_plain_torch(norms: Any, rms: bool) -> None:
    x, y = leaf(2, 3, 40), leaf(2, 3, 40)
    residual, weight, bias = normal(2, 3, 40, seed=1), normal(40), normal(40, seed=1)
    name = "rms_norm" if rms else "layer_norm"
    function, reference = getattr(norms, f"{name}_fn"), getattr(norms, f"{name}_ref")
    ours, h = function(x, weight, bias, residual, prenorm=True, zero_centered_weight=True)
    theirs, sums = reference(y, weight, bias, residual, prenorm=True, zero_centered_weight=True)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert torch.equal(h, sums)
    (ours.square().sum() + h.sum()).backward()
    (theirs.square().sum() + sums.sum()).backward()
    assert torch.allclose(gradient(x), gradient(y), atol=1e-4)


def test_references_have_every_argument(norms: Any) -> None:
    x, x1, residual = (normal(3, 40, seed=i) for i in range(3))
    weights = {"weight1": normal(40, seed=1), "bias1": normal(40, seed=2)}
    torch.manual_seed(0)
    y, y1, h, mask, mask1 = norms.rms_norm_fn(
        *(x, normal(40), None, residual, x1),
        **weights,
        dropout_p=0.4,
        prenorm=True,
        return_dropout_mask=True,
    )
    expected = norms.rms_norm_ref(
        *(x, normal(40), None, residual, x1),
        **weights,
        dropout_p=0.4,
        prenorm=True,
        dropout_mask=mask,
        dropout_mask1=mask1,
        upcast=True,
    )
    for ours, theirs in zip((y, y1, h), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    scaled = norms.layer_norm_ref(x, normal(40), None, rowscale=normal(3))
    assert torch.allclose(norms.layer_norm_fn(x, normal(40), None, rowscale=normal(3)), scaled)


def test_results_into_given_tensors(norms: Any) -> None:
    x, residual, weight = normal(3, 40), normal(3, 40, seed=1), normal(40)
    out, total = torch.empty(3, 40), torch.empty(3, 40)
    y, h = norms.rms_norm_fn(x, weight, None, residual, prenorm=True, out=out, residual_out=total)
    assert y.data_ptr() == out.data_ptr()
    assert h.data_ptr() == total.data_ptr()
    assert torch.equal(total, x + residual)
    assert torch.equal(out, norms.rms_norm_fn(x, weight, None, residual))


def test_norm_and_linear(norms: Any) -> None:
    x, residual = leaf(2, 3, 40), normal(2, 3, 40, seed=1)
    weight, matrix, bias = normal(40), leaf(8, 40), normal(8)
    ours, h = norms.layer_norm_linear_fn(
        x, weight, None, matrix, bias, residual, prenorm=True, is_rms_norm=True
    )
    y, sums = norms.rms_norm_fn(x, weight, None, residual, prenorm=True)
    assert torch.equal(ours, torch.nn.functional.linear(y, matrix, bias))
    assert torch.equal(h, sums)
    ours.sum().backward()
    assert gradient(x).abs().sum() > 0
    assert gradient(matrix).abs().sum() > 0


def test_modules(v2: Wheel, norms: Any) -> None:
    from flash_attn.ops import rms_norm

    x, residual = normal(3, 40), normal(3, 40, seed=1)
    expected = norms.rms_norm_fn(x, torch.ones(40), None, eps=1e-5)
    for module in (
        norms.RMSNorm(40),
        norms.RMSNorm(40, zero_centered_weight=True),
        norms.RMSNorm(40, dropout_p=0.5).eval(),
        rms_norm.RMSNorm(40),
        rms_norm.DropoutAddRMSNorm(40, p=0.5).eval(),
    ):
        assert torch.equal(module(x), expected)
    y, h = rms_norm.DropoutAddRMSNorm(40, prenorm=True)(x, residual)
    assert torch.equal(h, x + residual)
    assert torch.equal(y, norms.rms_norm_fn(x, torch.ones(40), None, residual, eps=1e-5))
    assert not torch.equal(norms.RMSNorm(40, dropout_p=0.5)(x), expected)


def test_names_of_the_cuda_extension(v2: Wheel, norms: Any) -> None:
    from flash_attn.ops import rms_norm

    x, x1, weight, scale = normal(3, 40), normal(3, 40, seed=1), normal(40), normal(40, seed=1)
    y, mask = rms_norm.dropout_add_rms_norm(
        x, None, weight, None, 0.4, 1e-5, layerscale=scale, return_dropout_mask=True
    )
    kept = x * scale * mask / 0.6
    assert torch.allclose(y, norms.rms_norm_fn(kept, weight, None, eps=1e-5), atol=1e-6)
    parallel = rms_norm.dropout_add_rms_norm_parallel_residual
    y0, y1, h = parallel(x, x1, None, weight, None, None, None, 0.0, 1e-5, prenorm=True)
    assert y1 is None
    assert torch.equal(h, x + x1)
    assert torch.equal(y0, norms.rms_norm_fn(x, weight, None, x1=x1, eps=1e-5))
    with pytest.raises(v2.module.NotSupported, match="subsets of rows"):
        rms_norm.dropout_add_rms_norm_subset(x, None, weight, None, 0.0, 1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight": normal(39)}, "weight: got"),
        ({"residual": normal(2, 40)}, "residual: got shape"),
        ({"x1": normal(3, 40), "rowscale": normal(3)}, "rowscale: got a tensor"),
        ({"rowscale": normal(4)}, "rowscale: got a tensor"),
        ({"dropout_p": 1.0}, r"dropout_p: got 1\.0"),
    ],
)
def test_refusals(v2: Wheel, norms: Any, changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"x": normal(3, 40), "weight": normal(40), "bias": None}
    with pytest.raises(v2.module.InvalidArgument, match=message):
        norms.layer_norm_fn(**(arguments | changed))


def test_no_rows(norms: Any) -> None:
    x, weight = torch.zeros(0, 7, requires_grad=True), leaf(7)
    norms.layer_norm_fn(x, weight, None).sum().backward()
    assert torch.equal(gradient(weight), torch.zeros(7))


def test_opcheck(v2: Wheel, norms: Any) -> None:
    x, weight, bf16 = normal(5, 40), normal(40), torch.bfloat16
    calls = [
        (x, None, weight, None, None, None, 1e-5, False, True, None, torch.float32),
        (x, x.to(bf16), weight, weight, weight, weight, 1e-5, True, False, bf16, bf16),
    ]
    for arguments in calls:
        # An operator may not return what it was given, so every tensor is one of its own.
        own: Any = tuple(a.clone() if isinstance(a, Tensor) else a for a in arguments)
        torch.library.opcheck(v2.ops.norm.default, own)
        _, _, h = v2.ops.norm(*own)
        h = h if h.numel() else x
        second = own[4] if own[4] is None else normal(40)
        dy1 = None if second is None else normal(5, 40)
        torch.library.opcheck(
            v2.ops.norm_backward.default,
            (
                *(normal(5, 40), dy1, dy1, h, weight, second, *own[6:9]),
                *(torch.float32, bf16 if dy1 is not None else None),
            ),
        )


def test_torch_compile(norms: Any) -> None:
    weight = normal(40)

    def step(x: Tensor) -> Tensor:
        return norms.rms_norm_fn(x * 2, weight, None)  # type: ignore[no-any-return]

    compiled: Any = torch.compile(step, fullgraph=True, backend="aot_eager")
    x, y = leaf(5, 40), leaf(5, 40)
    compiled(x).square().sum().backward()
    step(y).square().sum().backward()
    assert torch.equal(gradient(x), gradient(y))
