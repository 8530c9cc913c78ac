#include "npu/kernels/combine_kernel.h"

FA_VECTOR_KERNEL(fa_combine_fp32, CombineArgs, fa::npu::combine<float>);
