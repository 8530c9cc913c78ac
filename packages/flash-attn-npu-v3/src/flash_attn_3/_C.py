"""Registers `torch.ops.flash_attn_3`, which is all that the original's native module offers."""

import flash_attn_interface as _registers  # noqa: F401
