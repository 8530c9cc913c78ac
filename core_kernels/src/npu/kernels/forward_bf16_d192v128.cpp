#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_bf16_d192v128, bfloat16_t, 192, 128, false, false);
