#pragma once

// From a problem and its plan to what the forward kernel is told.

#include "fa/plan.h"
#include "fa/problem.h"
#include "npu/kernel_args.h"

namespace fa::npu {

// Merges the results of splits, for plans with more than one; `partials`: of the forward.
CombineArgs combine_args(const ForwardProblem& problem, const SplitArgs& partials);

// For problems with new keys; `forward`: the arguments of the attention that follows.
AppendArgs append_args(const ForwardProblem& problem, const ForwardArgs& forward);

// `workspace`: address of plan.workspace_bytes on the device.
ForwardArgs forward_args(const ForwardProblem& problem, const Plan& plan, uint64_t workspace);

}  // namespace fa::npu
