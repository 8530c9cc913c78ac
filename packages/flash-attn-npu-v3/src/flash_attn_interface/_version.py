"""Version of flash-attn-npu-v3, read by the build."""

__version__ = "0.1.0"
