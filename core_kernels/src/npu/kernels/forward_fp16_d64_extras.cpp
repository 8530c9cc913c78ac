#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_fp16_d64_extras, half, 64, 64, true, false);
