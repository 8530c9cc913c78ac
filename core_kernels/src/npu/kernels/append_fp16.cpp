#include "npu/kernels/append_kernel.h"

FA_APPEND_KERNEL(fa_append_fp16, half);
