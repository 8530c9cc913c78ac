"""What the shared code must know about this wheel."""

API = 2  # generation of the interface: conventions of lse, ALiBi and window bounds
DISTRIBUTION = "flash-attn-npu-v2"
NAMESPACE = "flash_attn_npu_v2"  # of the torch operators
