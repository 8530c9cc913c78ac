"""FlashAttention with the v3 interface, for Ascend NPUs and CPUs."""

from ._common.errors import (
    BackendUnavailable,
    FlashAttnError,
    InternalError,
    InvalidArgument,
    NotSupported,
)
from ._version import __version__ as __npu_version__
from .flash_attn_interface import (
    _flash_attn_backward,
    _flash_attn_forward,
    flash_attn_3_gpu,
    flash_attn_combine,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    flash_attn_with_kvcache,
    get_scheduler_metadata,
    maybe_contiguous,
    round_multiple,
)

__all__ = [
    "flash_attn_combine",
    "flash_attn_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_with_kvcache",
    "get_scheduler_metadata",
    "_flash_attn_backward",
    "_flash_attn_forward",
    "flash_attn_3_gpu",
    "maybe_contiguous",
    "round_multiple",
    "BackendUnavailable",
    "FlashAttnError",
    "InternalError",
    "InvalidArgument",
    "NotSupported",
    "__npu_version__",
]
