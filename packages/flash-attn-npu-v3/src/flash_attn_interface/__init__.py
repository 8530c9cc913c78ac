"""FlashAttention with the v3 interface, for Ascend NPUs and CPUs."""

from ._common.errors import (
    BackendUnavailable,
    FlashAttnError,
    InternalError,
    InvalidArgument,
    NotSupported,
)
from ._version import __version__ as __npu_version__

# Names with `as` are what clients import besides, not for users.
from .flash_attn_interface import _flash_attn_backward as _flash_attn_backward
from .flash_attn_interface import _flash_attn_forward as _flash_attn_forward
from .flash_attn_interface import flash_attn_3_gpu as flash_attn_3_gpu
from .flash_attn_interface import (
    flash_attn_combine,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    flash_attn_with_kvcache,
    get_scheduler_metadata,
)
from .flash_attn_interface import maybe_contiguous as maybe_contiguous
from .flash_attn_interface import round_multiple as round_multiple

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
