#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_bf16_d256_extras, bfloat16_t, 256, 256, true, false);
