#pragma once

// v3 scheduler metadata: a plan as int32 values that outlives the call and may be cloned.

#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

// Applies call metadata (if any) to problem->options, after checking that it fits the problem.
Status read_metadata(const TensorView& metadata, ForwardProblem* problem);

}  // namespace fa
