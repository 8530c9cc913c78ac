"""Needs a CUDA extension of the original, so importing it fails as it does without that."""

raise ImportError(
    "flash_attn.ops.layer_norm needs dropout_layer_norm, which is for CUDA only; "
    "flash_attn.ops.triton.layer_norm has layer_norm_fn"
)
