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
    flash_attn_combine,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    flash_attn_with_kvcache,
    get_scheduler_metadata,
)

__all__ = [
    "flash_attn_combine",
    "flash_attn_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_with_kvcache",
    "get_scheduler_metadata",
    "BackendUnavailable",
    "FlashAttnError",
    "InternalError",
    "InvalidArgument",
    "NotSupported",
    "__npu_version__",
]
