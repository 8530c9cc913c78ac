#include "npu/kernels/combine_kernel.h"

FA_VECTOR_KERNEL(fa_combine_fp16, CombineArgs, fa::npu::combine<half>);
