#include "npu/kernels/forward_kernel.h"

FA_FORWARD_KERNEL(fa_forward_fp16_d192v128_extras, half, 192, 128, true, false);
