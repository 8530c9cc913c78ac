#pragma once

#include "cpu/microkernel.h"
#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

// Writes the new keys (rotated) and values into the cache, and points problem->q at the rotated
// queries in the workspace. Nothing to do without new keys.
void append_and_rotate(ForwardProblem* problem, const Plan& plan, const Microkernels& isa,
                       char* workspace);

}  // namespace fa::cpu
