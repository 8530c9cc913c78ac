#include "npu/kernels/combine_kernel.h"

FA_COMBINE_KERNEL(fa_combine_fp16, half);
