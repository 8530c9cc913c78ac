"""Needs a CUDA extension of the original, so importing it fails as it does without that."""

raise ImportError(
    "flash_attn.ops.fused_dense needs fused_dense_lib, which is for CUDA only; "
    "torch.nn.Linear computes the same"
)
