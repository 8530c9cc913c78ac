"""Eager calls work where torch has none of the newer interfaces (2.1 is the oldest supported).

Takes away from this torch what the oldest does not have; the wheels must not miss it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from api.support import Wheel

CODE = """
import torch, torch.compiler, torch.library
from torch.library import Library

define = Library.define
def old_define(self, schema, alias_analysis=""):
    return define(self, schema, alias_analysis)
Library.define = old_define
newer = [(torch.library, name) for name in vars(torch.library) if name in (
    "register_fake", "impl_abstract", "custom_op", "opcheck", "register_autograd")]
newer += [(torch.compiler, "is_compiling"), (torch._C, "{hidden}")]
newer = [(owner, name, getattr(owner, name)) for owner, name in newer if hasattr(owner, name)]
for owner, name, _ in newer:
    delattr(owner, name)

import {name} as module

# torch itself needs them, some only at the first call of an operator.
Library.define = define
for owner, name, value in newer:
    setattr(owner, name, value)
direct = __import__("{name}._common.direct", fromlist=["direct"])
print("direct", direct.undisturbed(torch.zeros(1)))
for device in ("cpu", "meta"):
    torch.manual_seed(0)
    q = torch.randn(2, 5, 4, 16, device=device, requires_grad=True)
    k = torch.randn(2, 7, 2, 16, device=device)
    out, lse = module.flash_attn_func(q, k, k, causal=True, return_attn_probs=True)[:2]
    (out.sum() + lse.sum()).backward()
    sink = torch.zeros(4, device=device)
    module.flash_attn_func(q, k, k, learnable_sink=sink).sum().backward()
    with torch.no_grad():
        new = torch.ones(2, 1, 2, 16, device=device)
        module.flash_attn_with_kvcache(q[:, :1], k, k.clone(), new, new, cache_seqlens=3)
    print(device, q.grad.shape, out.is_contiguous())
"""


@pytest.mark.smoke
@pytest.mark.parametrize("hidden", ["_len_torch_dispatch_stack", "none"])
def test_eager_calls(wheel: Wheel, hidden: str) -> None:
    code = CODE.format(name=wheel.name, hidden=hidden)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        f"direct {hidden == 'none'}",
        "cpu torch.Size([2, 5, 4, 16]) True",
        "meta torch.Size([2, 5, 4, 16]) True",
    ], done.stderr
