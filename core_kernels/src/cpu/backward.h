#pragma once

#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

void run_backward(const BackwardProblem& problem, const Plan& plan, void* workspace);

}  // namespace fa::cpu
