#pragma once

#include "cpu/microkernel.h"
#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

// Writes the new keys (rotated) and values into the cache and returns the queries to attend with:
// those of the problem, or their rotated copy in the workspace. Nothing to do without new keys.
TokenView append_and_rotate(const ForwardProblem& problem, const Plan& plan,
                            const Microkernels& isa, char* workspace);

}  // namespace fa::cpu
