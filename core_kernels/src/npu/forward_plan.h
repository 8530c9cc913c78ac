#pragma once

// How a forward problem is put onto the cores. Follows from shapes, bounds and options alone.

#include "fa/plan.h"
#include "fa/problem.h"
#include "fa/status.h"
#include "npu/kernel_object.h"

namespace fa::npu {

// Columns that scores are sums over: those of q, and with qv those of qv beside them, each rounded
// up to 16.
int32_t score_columns(const ForwardProblem& problem);
inline constexpr int32_t kMaxScoreColumns = 576;  // with qv

// Where the kernel's own part begins.
int64_t scratch_begin(const Plan& plan);

// Cores to plan for: those of the device, or FLASH_ATTN_NPU_CORES, less the margin.
Status available_cores(const KernelObject& object, int64_t margin, int32_t* cores);

// The entry of a role for a dtype; null if the object has none.
const KernelEntry* find_kernel(const KernelObject& object, KernelRole role, DType dtype);

// S_dmask is asked for, and has elements.
bool has_probs(const ForwardProblem& problem);

// There is something that the attention kernel has to write.
bool has_results(const ForwardProblem& problem);

Status plan_forward(const ForwardProblem& problem, const KernelObject& object, Plan* plan);

}  // namespace fa::npu
