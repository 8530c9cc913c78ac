#include "npu/kernels/combine_kernel.h"

FA_VECTOR_KERNEL(fa_combine_fp16, fa::npu::combine<half>);
