#include "npu/kernels/forward_kernel.h"

FA_MLA_KERNEL(fa_forward_fp16_mla, half);
