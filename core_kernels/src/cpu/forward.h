#pragma once

#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

// The most rows of an entry that go without packed tiles, 0 = none, on the ISA in use.
int32_t few_rows(const ForwardProblem& problem);

void run_forward(const ForwardProblem& problem, const Plan& plan, void* workspace);

}  // namespace fa::cpu
