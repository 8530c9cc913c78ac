"""FlashAttention with the v2 interface, for Ascend NPUs and CPUs."""

from pkgutil import extend_path

# Other distributions may add subpackages to `flash_attn`, as the original allows.
__path__ = extend_path(__path__, __name__)

# The interface level, which clients compare; the version of this wheel is `__npu_version__`.
__version__ = "2.8.3"

from ._common.errors import (
    BackendUnavailable,
    FlashAttnError,
    InternalError,
    InvalidArgument,
    NotSupported,
)
from ._version import __version__ as __npu_version__
from .flash_attn_interface import (
    flash_attn_func,
    flash_attn_kvpacked_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
    flash_attn_varlen_kvpacked_func,
    flash_attn_varlen_qkvpacked_func,
    flash_attn_with_kvcache,
)

__all__ = [
    "flash_attn_func",
    "flash_attn_kvpacked_func",
    "flash_attn_qkvpacked_func",
    "flash_attn_varlen_func",
    "flash_attn_varlen_kvpacked_func",
    "flash_attn_varlen_qkvpacked_func",
    "flash_attn_with_kvcache",
    "BackendUnavailable",
    "FlashAttnError",
    "InternalError",
    "InvalidArgument",
    "NotSupported",
    "__npu_version__",
    "__version__",
]
