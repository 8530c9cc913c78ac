"""When torch's dispatcher may be left out.

Going through it costs 4 to 8 us per call, half of what a call may cost. It is needed where it would
not simply end in the implementation, which CPU and NPU share: under torch.compile, torch.export,
torch.func, jit tracing and dispatch modes (fake tensors, checkpointing policies, FLOP counters),
for tensor subclasses, other devices and lazily negated tensors, and while the profiler wants to see
the operator. NPU tensors also need it where more has to be looked at (see `npu.is_simple`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from . import npu
from .wheel import native

# Torch that has no such function cannot compile these functions either.
is_compiling: Callable[[], bool] = getattr(torch.compiler, "is_compiling", lambda: False)

try:
    # None of them has a public name.
    from torch._C import _are_functorch_transforms_active as _transforms
    from torch._C import _get_tracing_state as _tracing
    from torch._C import _len_torch_dispatch_stack as _dispatch_modes
    from torch._C._autograd import _profiler_enabled as _profiling
except ImportError:

    def undisturbed(*tensors: Tensor | None) -> bool:  # noqa: ARG001
        """Without knowledge of this torch the dispatcher is always used."""
        return False

else:

    def undisturbed(*tensors: Tensor | None) -> bool:
        """Tells whether a call with these tensors is plain eager work on the CPU or the NPU."""
        if is_compiling() or _dispatch_modes() or _transforms() or _tracing() or _profiling():
            return False
        for x in tensors:
            if x is not None and (
                type(x) is not Tensor
                or not (x.is_cpu or (x.get_device() >= 0 and npu.is_simple()))
                or x.is_neg()
                or x._is_zerotensor()
            ):
                return False
        return True

    # The same for `native.attend_plain`, which asks on its own.
    native.set_torch_state(
        torch.is_grad_enabled, npu.is_simple, (_dispatch_modes, _transforms, _tracing, _profiling)
    )
