#include "npu/kernels/forward_kernel.h"

FA_MLA_KERNEL(fa_forward_bf16_mla, bfloat16_t);
