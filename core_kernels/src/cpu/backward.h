#pragma once

#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

// Rows of a strip, to which the workspace rounds up.
int32_t backward_strip(const BackwardProblem& problem);

void run_backward(const BackwardProblem& problem, const Plan& plan, void* workspace);

}  // namespace fa::cpu
