"""The package name of the original's flash-attn 3; all of it is in `flash_attn_interface`."""

from flash_attn_interface import __npu_version__

__all__ = ["__npu_version__"]
