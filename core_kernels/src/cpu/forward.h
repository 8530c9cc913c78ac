#pragma once

#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

void run_forward(const ForwardProblem& problem, const Plan& plan, void* workspace);

}  // namespace fa::cpu
