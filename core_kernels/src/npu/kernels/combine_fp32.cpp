#include "npu/kernels/combine_kernel.h"

FA_VECTOR_KERNEL(fa_combine_fp32, fa::npu::combine<float>);
