#pragma once

// The memory that a forward kernel may touch: what the tensors of the call span. The simulator
// reports every access outside of it; a real device is not told.

#include <vector>

#include "fa/call.h"
#include "fa/plan.h"
#include "fa/problem.h"
#include "npu/kernel_object.h"

namespace fa::npu {

// The launches of a call, in their order.
enum class Stage { kAppend, kAttend, kCombine };

// What an earlier stage wrote is there already. Ranges that overlap, such as q, k and v in
// one tensor, are one.
std::vector<DeviceBuffer> forward_memory(const ForwardProblem& problem, const Plan& plan,
                                         const void* workspace, Stage stage);

std::vector<DeviceBuffer> combine_memory(const CombineCall& call);

}  // namespace fa::npu
