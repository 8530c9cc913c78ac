"""The operators as torch sees them: schemas, fakes, strides, devices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from api.support import Wheel, normal

CU_SEQLENS = torch.tensor([0, 2, 2, 6], dtype=torch.int32)
LENGTHS = torch.tensor([3, 5], dtype=torch.int32)
RNG_STATE = torch.tensor([5, 7])
OPTIONS = (True, 0.3, 0, 4, 2, 3.0)  # causal to softcap in the schemas
PADDED = (None, None, -1, -1)  # cu_seqlens and max_seqlen
NAMES = [
    "forward_dense",
    "forward",
    "forward_kvcache",
    "forward_kvcache_append",
    "backward",
    "backward_into",
    "combine",
    "scheduler_metadata",
]


def forward_dense_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    q, k, v = normal(2, 5, 4, 16), normal(2, 7, 2, 16), normal(2, 7, 2, 24)
    yield q, k, v
    yield q, k, v, *OPTIONS


def forward_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    q, k, v = normal(2, 5, 4, 16), normal(2, 7, 2, 16), normal(2, 7, 2, 24)
    sink, slopes, qv = normal(4), normal(4).abs(), normal(2, 5, 4, 24)
    x, y = normal(6, 4, 16), normal(6, 2, 16)
    packed = x, y, y, CU_SEQLENS, CU_SEQLENS, 4, 4
    dropout = None, None, None, None, None, None, 0.3, RNG_STATE, True
    yield packed
    yield q, k, v, *PADDED, *OPTIONS, slopes, sink, qv
    yield q, k, v, *PADDED, *OPTIONS, *dropout
    yield *packed, *OPTIONS, *dropout


def forward_kvcache_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    q, k, v = normal(2, 5, 4, 16), normal(2, 7, 2, 16), normal(2, 7, 2, 24)
    table = torch.tensor([[1, 0], [0, 1]], dtype=torch.int32)
    window_to_sm_margin = (-1, -1, 0.0, None, -1, *(None,) * 9, 0, -1, 0)
    yield q, k, v, LENGTHS
    yield q, k, v, LENGTHS, table, True, None, 3, *window_to_sm_margin, True
    x = normal(6, 4, 16)
    packed = -1, -1, 0.0, torch.tensor([0, 2, 6], dtype=torch.int32), 4, *(None,) * 9, 0, -1, 0
    yield x, k, v, LENGTHS, None, True, None, 2, *packed, True


def forward_kvcache_append_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    cache = normal(2, 9, 2, 16), normal(2, 9, 2, 24), LENGTHS, None, True, None
    new = normal(2, 2, 2, 16), normal(2, 2, 2, 24)
    yield normal(2, 5, 4, 16), *cache, *new
    yield normal(2, 2, 4, 16), *cache, *new, normal(16, 8), normal(16, 8), None, None, False


def backward_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    q, k, v, qv = normal(2, 5, 4, 16), normal(2, 7, 2, 16), normal(2, 7, 2, 24), normal(2, 5, 4, 24)
    options = False, None, True, -1, -1, 0.0
    out, lse = wheel.ops.forward_dense(q, k, v)
    yield out, None, q, k, v, out, lse, *options
    out, lse, _ = wheel.ops.forward(q, k, v, *PADDED, False, None, 0, *options[3:], None, None, qv)
    yield out, lse, q, k, v, out, lse, *options, 0, *PADDED, None, normal(4), qv
    x, y = normal(6, 4, 16), normal(6, 2, 16)
    packed = CU_SEQLENS, CU_SEQLENS, 4, 4
    out, lse, _ = wheel.ops.forward(x, y, y, *packed)
    yield out, lse, x, y, y, out, lse, *options, 0, *packed
    for packing, views in (
        (1, normal(2, 5, 3, 4, 16).unbind(2)),
        (2, (q, *normal(2, 7, 2, 2, 16).unbind(2))),
        (3, normal(2, 5, 8, 16).split([4, 2, 2], 2)),
    ):
        out, lse = wheel.ops.forward_dense(*views)
        # A copy each, because opcheck wants separate inputs.
        yield out, None, *(x.clone() for x in views), out, lse, *options, packing


def backward_into_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    q, k, v = normal(2, 5, 4, 16), normal(2, 7, 2, 16), normal(2, 7, 2, 24)
    out, lse = wheel.ops.forward_dense(q, k, v)
    yield out.clone(), q, k, v, out, lse, *(torch.empty_like(x) for x in (q, k, v))
    x, y, z = normal(6, 4, 16), normal(6, 2, 16), normal(6, 2, 16, seed=1)
    packed = CU_SEQLENS, CU_SEQLENS, 4, 4
    out, lse, _ = wheel.ops.forward(x, y, z, *packed)
    gradients = (torch.empty_like(t) for t in (x, y, z))
    yield out.clone(), x, y, z, out, lse, *gradients, False, None, True, -1, -1, 0.0, *packed


def combine_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    yield normal(3, 2, 5, 4, 16), normal(3, 2, 5, 4), torch.empty(2, 5, 4, 16)


def scheduler_metadata_calls(wheel: Wheel) -> Iterator[tuple[Any, ...]]:
    yield LENGTHS, "bfloat16", 2, 1, 64, 8, 2, 128, 128, 0, True, -1, -1, 0, False, 0, -1, 0


def calls(wheel: Wheel, name: str) -> Iterator[tuple[Any, ...]]:
    """Arguments of operator `name`, with all its kinds of outputs."""
    yield from globals()[f"{name}_calls"](wheel)


def layouts(*shape: int) -> Iterator[Tensor]:
    """Tensors [B, S, H, D] with different strides."""
    yield normal(*shape)
    yield normal(shape[0], shape[2], shape[1], shape[3]).transpose(1, 2)
    yield normal(shape[0], 2 * shape[1], shape[2], 2 * shape[3])[:, ::2, :, : shape[3]]
    yield normal(shape[0], shape[1], 3, *shape[2:])[:, :, 1]
    yield normal(*shape[:3], 2 * shape[3])[..., ::2]
    yield normal(1, *shape[1:]).expand(shape)


def flat(results: Any) -> list[Tensor]:
    return list(results) if isinstance(results, tuple) else [results]


def facts(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.stride(), tensor.dtype


@pytest.mark.parametrize("name", NAMES)
def test_opcheck(wheel: Wheel, name: str) -> None:
    operator = getattr(wheel.ops, name).default
    for arguments in calls(wheel, name):
        torch.library.opcheck(operator, arguments)


@pytest.mark.parametrize("name", NAMES)
def test_fakes_are_like_the_real_outputs(wheel: Wheel, name: str) -> None:
    operator = getattr(wheel.ops, name).default
    for arguments in calls(wheel, name):
        check_fake(operator, arguments)


def check_fake(operator: Any, arguments: tuple[Any, ...]) -> None:
    real = [facts(x) for x in flat(operator(*arguments))]
    with FakeTensorMode() as mode:
        fakes = [mode.from_tensor(x) if isinstance(x, Tensor) else x for x in arguments]
        assert [facts(x) for x in flat(operator(*fakes))] == real
    meta = [x.to("meta") if isinstance(x, Tensor) and x is not RNG_STATE else x for x in arguments]
    results = flat(operator(*meta))
    assert [facts(x) for x in results] == real
    assert all(x.device.type == "meta" for x in results)


def test_strides_of_the_inputs_do_not_matter(wheel: Wheel) -> None:
    """Outputs and gradients are contiguous whatever the inputs are."""
    for q in layouts(2, 5, 4, 16):
        for k in layouts(2, 5, 4, 16):
            v = k
            for arguments in ((q, k, v), (q, k, v, *OPTIONS)):
                check_fake(wheel.ops.forward_dense.default, arguments)
            out, lse = wheel.ops.forward_dense(q, k, v)
            assert out.is_contiguous()
            assert lse.is_contiguous()
            check_fake(wheel.ops.backward.default, (q, None, q, k, v, out, lse))
            check_fake(wheel.ops.forward.default, (q, k, v, *PADDED, *OPTIONS))


def test_strided_inputs_give_the_same_result(wheel: Wheel) -> None:
    for q in layouts(2, 5, 4, 16):
        strided = wheel.module.flash_attn_func(q, q, q)
        assert torch.equal(strided, wheel.module.flash_attn_func(*(q.contiguous(),) * 3))


def test_meta_tensors_pass_through(wheel: Wheel) -> None:
    q = torch.empty(2, 5, 4, 16, device="meta", requires_grad=True)
    out = wheel.module.flash_attn_func(q, q, q)
    out.sum().backward()
    assert out.shape == q.shape
    assert q.grad is not None
    assert q.grad.device.type == "meta"


def test_caches_are_declared_as_written(wheel: Wheel) -> None:
    def written(name: str) -> list[str]:
        schema = getattr(wheel.ops, name).default._schema
        return [a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write]

    assert written("forward_kvcache_append") == ["k_cache", "v_cache"]
    assert written("combine") == ["out"]
    assert written("backward_into") == ["dq", "dk", "dv"]
    writing = ["forward_kvcache_append", "backward_into", "combine"]
    assert [name for name in NAMES if written(name)] == writing


NPU = """
import torch
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
_setup_privateuseone_for_python_backend("npu")
import {name} as module
q = torch._C._acc.create_empty_tensor((1, 2, 1, 16), torch.float32)
assert q.device.type == "npu"
for call in (lambda: module.flash_attn_func(q, q, q),
             lambda: module.flash_attn_with_kvcache(q, q, q)):
    try:
        call()
    except module.BackendUnavailable as error:
        print(error)
"""


def test_npu_tensors_are_refused(wheel: Wheel) -> None:
    """Until there is an NPU backend, with its name; torch has a stand-in for the device."""
    if not hasattr(getattr(torch._C, "_acc", None), "create_empty_tensor"):
        pytest.skip("this torch has no stand-in for a device")
    code = NPU.format(name=wheel.name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.count("got NPU tensors") == 2, done.stderr
