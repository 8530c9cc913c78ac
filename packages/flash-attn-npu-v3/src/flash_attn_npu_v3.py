"""Another name of `flash_attn_interface`: the one that vllm-ascend imports."""

from __future__ import annotations

import functools
from typing import Any

import flash_attn_interface
from flash_attn_interface import (
    flash_attn_combine,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    get_scheduler_metadata,
)


@functools.wraps(flash_attn_interface.flash_attn_with_kvcache)
def flash_attn_with_kvcache(*args: Any, **kwargs: Any) -> Any:
    """`flash_attn_interface.flash_attn_with_kvcache`, with `cu_seqlens_q` counted from its first
    element: vllm-ascend hands over the end of a longer one together with the end of q."""
    cu_seqlens_q = kwargs.get("cu_seqlens_q")
    if cu_seqlens_q is not None:
        kwargs["cu_seqlens_q"] = cu_seqlens_q - cu_seqlens_q[:1]
    return flash_attn_interface.flash_attn_with_kvcache(*args, **kwargs)


__all__ = [
    "flash_attn_combine",
    "flash_attn_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_with_kvcache",
    "get_scheduler_metadata",
]
