"""The build flags, under the package's name."""

from flash_attn_config import CONFIG, show

__all__ = ["CONFIG", "show"]
