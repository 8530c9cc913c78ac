#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_fp16_d256, half, 256, 256, false, false);
