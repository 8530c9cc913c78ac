#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_bf16_d128_extras, bfloat16_t, 128, 128, true, false);
