#pragma once

// From a problem and its plan to what the forward kernel is told.

#include "fa/plan.h"
#include "fa/problem.h"
#include "npu/kernel_args.h"

namespace fa::npu {

// `workspace`: address of plan.workspace_bytes on the device.
// Of the results of splits, in the workspace or where the caller wants them.
SplitArgs split_args(const ForwardProblem& problem, const Plan& plan, uint64_t workspace);

// Merges them; for plans with more than one split.
CombineArgs combine_args(const ForwardProblem& problem, const SplitArgs& partials);

// For problems with new keys; `forward`: the arguments of the attention that follows.
AppendArgs append_args(const ForwardProblem& problem, const ForwardArgs& forward);

ForwardArgs forward_args(const ForwardProblem& problem, const Plan& plan, uint64_t workspace);

}  // namespace fa::npu
