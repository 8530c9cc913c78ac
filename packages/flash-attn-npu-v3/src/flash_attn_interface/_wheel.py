"""What the shared code must know about this wheel."""

API = 3  # generation of the interface: conventions of lse, ALiBi and window bounds
DISTRIBUTION = "flash-attn-npu-v3"
NAMESPACE = "flash_attn_npu_v3"  # of the torch operators
