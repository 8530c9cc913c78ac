#include "npu/kernels/append_kernel.h"

FA_VECTOR_KERNEL(fa_append_fp16, AppendArgs, fa::npu::append<half>);
