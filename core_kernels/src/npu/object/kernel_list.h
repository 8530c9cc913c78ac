#pragma once

// Every entry of the kernel object: a line for each FA_FORWARD_KERNEL, FA_MLA_KERNEL and
// FA_VECTOR_KERNEL of ../kernels. What an entry needs, and how it is started, is made from these
// lines.

// X(name, element, head dim, value dim, extras, int8)
#define FA_FORWARD_KERNELS(X)                                           \
  X(fa_forward_fp16_d64, half, 64, 64, false, false)                    \
  X(fa_forward_fp16_d128, half, 128, 128, false, false)                 \
  X(fa_forward_fp16_d192v128, half, 192, 128, false, false)             \
  X(fa_forward_fp16_d256, half, 256, 256, false, false)                 \
  X(fa_forward_bf16_d64, bfloat16_t, 64, 64, false, false)              \
  X(fa_forward_bf16_d128, bfloat16_t, 128, 128, false, false)           \
  X(fa_forward_bf16_d192v128, bfloat16_t, 192, 128, false, false)       \
  X(fa_forward_bf16_d256, bfloat16_t, 256, 256, false, false)           \
  X(fa_forward_fp16_d64_extras, half, 64, 64, true, false)              \
  X(fa_forward_fp16_d128_extras, half, 128, 128, true, false)           \
  X(fa_forward_fp16_d192v128_extras, half, 192, 128, true, false)       \
  X(fa_forward_fp16_d256_extras, half, 256, 256, true, false)           \
  X(fa_forward_bf16_d64_extras, bfloat16_t, 64, 64, true, false)        \
  X(fa_forward_bf16_d128_extras, bfloat16_t, 128, 128, true, false)     \
  X(fa_forward_bf16_d192v128_extras, bfloat16_t, 192, 128, true, false) \
  X(fa_forward_bf16_d256_extras, bfloat16_t, 256, 256, true, false)     \
  X(fa_forward_fp16_d64_int8, half, 64, 64, true, true)                 \
  X(fa_forward_fp16_d128_int8, half, 128, 128, true, true)              \
  X(fa_forward_fp16_d192v128_int8, half, 192, 128, true, true)          \
  X(fa_forward_fp16_d256_int8, half, 256, 256, true, true)              \
  X(fa_forward_bf16_d64_int8, bfloat16_t, 64, 64, true, true)           \
  X(fa_forward_bf16_d128_int8, bfloat16_t, 128, 128, true, true)        \
  X(fa_forward_bf16_d192v128_int8, bfloat16_t, 192, 128, true, true)    \
  X(fa_forward_bf16_d256_int8, bfloat16_t, 256, 256, true, true)

// X(name, element)
#define FA_MLA_KERNELS(X)      \
  X(fa_forward_fp16_mla, half) \
  X(fa_forward_bf16_mla, bfloat16_t)

// X(name, element, role)
#define FA_VECTOR_KERNELS(X)               \
  X(fa_combine_fp32, float, kCombine)      \
  X(fa_combine_fp16, half, kCombine)       \
  X(fa_combine_bf16, bfloat16_t, kCombine) \
  X(fa_append_fp16, half, kAppend)         \
  X(fa_append_bf16, bfloat16_t, kAppend)
