#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_fp16_d256_extras, half, 256, 256, true, false);
