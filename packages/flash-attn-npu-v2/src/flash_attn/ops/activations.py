"""Needs a CUDA extension of the original, so importing it fails as it does without that."""

raise ImportError(
    "flash_attn.ops.activations needs a just-in-time compiler, which is for CUDA only; "
    "torch.nn.functional has the same"
)
