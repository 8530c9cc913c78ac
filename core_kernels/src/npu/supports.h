#pragma once

// What the NPU back end computes and what it refuses.

#include "fa/problem.h"
#include "fa/status.h"

namespace fa::npu {

// kNotSupported, naming the argument, what was passed and what is supported.
Status supports_forward(const ForwardProblem& problem);

}  // namespace fa::npu
