#pragma once

// What a back end offers to the registry. `supports_*` names its reason when it refuses.

#include "fa/plan.h"
#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

struct Backend {
  const char* name;
  Status (*supports)(Device device);
  void (*plan_forward)(const ForwardProblem& problem, Plan* plan);
  void (*run_forward)(const ForwardProblem& problem, const Plan& plan, void* workspace);
  void (*plan_backward)(const BackwardProblem& problem, Plan* plan);
  void (*run_backward)(const BackwardProblem& problem, const Plan& plan, void* workspace);
};

extern const Backend kCpuBackend;

}  // namespace fa
