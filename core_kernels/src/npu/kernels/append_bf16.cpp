#include "npu/kernels/append_kernel.h"

FA_VECTOR_KERNEL(fa_append_bf16, AppendArgs, fa::npu::append<bfloat16_t>);
