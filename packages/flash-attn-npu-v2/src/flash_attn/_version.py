"""Version of flash-attn-npu-v2, read by the build."""

__version__ = "0.1.0"
