#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_fp16_d256_int8, half, 256, 256, true, true);
