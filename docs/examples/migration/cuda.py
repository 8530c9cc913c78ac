"""A script for CUDA: one training step and some decoding with flash-attn 2."""

import torch

from flash_attn import flash_attn_func, flash_attn_with_kvcache

device = torch.device("cuda")
torch.manual_seed(0)

# A training step.
weights = [torch.randn(256, 256, device=device, dtype=torch.bfloat16) / 16 for _ in range(3)]
for weight in weights:
    weight.requires_grad_()
x = torch.randn(2, 64, 256, device=device, dtype=torch.bfloat16)
q, k, v = ((x @ weight).view(2, 64, 4, 64) for weight in weights)
out = flash_attn_func(q, k, v, causal=True, window_size=(31, 0))
loss = out.float().square().mean()
loss.backward()
gradient = weights[0].grad
assert gradient is not None
torch.cuda.synchronize()
print(f"loss {loss.item():.4f}, gradient {gradient.float().norm().item():.4f}")

# Decoding: each step appends one token to the cache.
k_cache = torch.zeros(2, 96, 4, 64, device=device, dtype=torch.bfloat16)
v_cache = torch.zeros_like(k_cache)
lengths = torch.zeros(2, device=device, dtype=torch.int32)
with torch.no_grad():
    for step in range(8):
        q, k, v = ((x[:, step] @ weight).view(2, 1, 4, 64) for weight in weights)
        out = flash_attn_with_kvcache(
            q, k_cache, v_cache, k, v, cache_seqlens=lengths, causal=True, window_size=(31, 0)
        )
        lengths += 1
torch.cuda.synchronize()
print(f"after {int(lengths[0])} tokens: {out.float().norm().item():.4f}")
