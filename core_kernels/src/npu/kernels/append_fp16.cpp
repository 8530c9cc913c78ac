#include "npu/kernels/append_kernel.h"

FA_VECTOR_KERNEL(fa_append_fp16, fa::npu::append<half>);
