"""Guards around the outputs of the native module.

While a `Guard` is active, every output that the Python layer hands to the native module is replaced
by a view into a larger buffer full of canaries, itself poisoned with NaN, and copied back after the
call. A write outside an output, and an output element that is never written, then show up. The
guard also records the random state of dropout, which the public functions do not return.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fa_testing.backends import Wheel
from fa_testing.fill import bits, fill_poison

# Positions of output tensors in the calls of _C.pyi.
FORWARD_OUTPUTS = {4: "out", 5: "lse", 6: "probs", 27: "out_accum", 28: "lse_accum"}
FORWARD_RNG = 7
BACKWARD_OUTPUTS = {8: "dq", 9: "dk", 10: "dv", 11: "dqv", 12: "dsink", 13: "softmax_d"}
COMBINE_OUTPUTS = {2: "out", 3: "lse"}
CANARY = 0xA5
MARGIN_BYTES = 256


class OutOfBoundsError(AssertionError):
    """The native module wrote outside of an output."""


class Shield:
    """One output in a guarded buffer of the same strides."""

    def __init__(self, name: str, output: Tensor) -> None:
        self.name, self.output = name, output
        size = output.element_size()
        reach = 1 + sum((n - 1) * s for n, s in zip(output.shape, output.stride(), strict=True))
        elements = max(reach, 0) if output.numel() else 0
        self.raw = torch.full((elements * size + 2 * MARGIN_BYTES,), CANARY, dtype=torch.uint8)
        self.view = fill_poison(self.place(self.raw))

    def place(self, raw: Tensor) -> Tensor:
        """The output's shape and strides inside a guarded buffer."""
        shape, strides, dtype = self.output.shape, self.output.stride(), self.output.dtype
        offset = MARGIN_BYTES // self.output.element_size()
        return torch.as_strided(raw.view(dtype), shape, strides, offset)

    def release(self) -> None:
        """Checks the canaries and hands the results over."""
        self.output.copy_(self.view)
        bits(self.view).zero_()
        untouched = torch.full_like(self.raw, CANARY)
        bits(self.place(untouched)).zero_()
        bad = self.raw != untouched
        if bool(bad.any()):
            place = int(bad.nonzero()[0]) - MARGIN_BYTES
            raise OutOfBoundsError(
                f"{self.name}: wrote {int(bad.sum())} bytes outside of the output, first at byte "
                f"{place} of a tensor of shape {list(self.output.shape)}"
            )


class Guard:
    """Context manager; `rng` holds the random state of the last dropout call. Outputs on a device
    have guards of the simulator's instead."""

    def __init__(self, wheel: Wheel) -> None:
        self.ops = wheel.cpu_ops
        self.native = wheel.native
        self.rng: tuple[int, int] | None = None

    def __enter__(self) -> Guard:
        self.saved = self.ops._native_forward, self.ops.native
        self.ops._native_forward = self.forward
        self.ops.native = self
        return self

    def __exit__(self, *_: object) -> None:
        self.ops._native_forward, self.ops.native = self.saved

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    def shielded(self, call: Any, outputs: dict[int, str], arguments: tuple[Any, ...]) -> Any:
        replaced = list(arguments)
        shields = []
        for place, name in outputs.items():
            if replaced[place] is not None and replaced[place].is_cpu:
                shields.append(Shield(name, replaced[place]))
                replaced[place] = shields[-1].view
        result = call(*replaced)
        for shield in shields:
            shield.release()
        return result

    def forward(self, *arguments: Any) -> Any:
        state = arguments[FORWARD_RNG]
        if state is not None:
            self.rng = int(state[0]), int(state[1])
        return self.shielded(self.native.forward, FORWARD_OUTPUTS, arguments)

    def backward(self, *arguments: Any) -> Any:
        return self.shielded(self.native.backward, BACKWARD_OUTPUTS, arguments)

    def combine(self, *arguments: Any) -> Any:
        return self.shielded(self.native.combine, COMBINE_OUTPUTS, arguments)
