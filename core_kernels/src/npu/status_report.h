#pragma once

// What a kernel wrote into its status region, as an error of the call.

#include "fa/plan.h"
#include "fa/status.h"

namespace fa::npu {

// Whether FLASH_ATTN_NPU_DEBUG asks for it: kernels then report wrong values in device memory, and
// each call waits for its end.
Status status_wanted(bool* wanted);

int64_t status_bytes(int32_t cores);

// `region`: status_bytes(plan.cores) bytes, copied from the device after the call.
Status read_status(const Plan& plan, const void* region);

}  // namespace fa::npu
