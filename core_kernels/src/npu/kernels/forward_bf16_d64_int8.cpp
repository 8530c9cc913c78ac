#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_bf16_d64_int8, bfloat16_t, 64, 64, true, true);
