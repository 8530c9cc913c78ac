#include "npu/kernels/combine_kernel.h"

FA_VECTOR_KERNEL(fa_combine_bf16, CombineArgs, fa::npu::combine<bfloat16_t>);
