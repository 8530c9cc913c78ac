#pragma once

// What a back end offers to the registry. `takes` and `supports_forward` name their reason when
// they refuse. A null function is one that the back end does not have.

#include <cstdint>

#include "fa/call.h"
#include "fa/execution.h"
#include "fa/plan.h"
#include "fa/problem.h"
#include "fa/status.h"
#include "problem/normalize.h"

namespace fa {

// FLASH_ATTN_NPU_BACKEND: where tensors in host memory are computed. `npu` is for kernels that run
// on the simulator; tensors of a device always go to that device.
enum class BackendChoice : uint8_t { kAuto, kCpu, kNpu };

struct Backend {
  const char* name;
  // Whether it can work on memory of `device` here: build, libraries, environment.
  Status (*takes)(Device device, BackendChoice choice);
  // What it needs of the values of index tensors.
  ValueUse (*value_use)(Device device);
  Status (*supports_forward)(const ForwardProblem& problem);
  Status (*plan_forward)(const ForwardProblem& problem, Plan* plan);
  Status (*run_forward)(const ForwardProblem& problem, const Plan& plan,
                        const Execution& execution);
  Status (*device_status)(const Plan& plan, const void* status);
  Status (*plan_backward)(const BackwardProblem& problem, Plan* plan);
  Status (*run_backward)(const BackwardProblem& problem, const Plan& plan,
                         const Execution& execution);
  Status (*combine)(const CombineCall& call, const Execution& execution);
  // Of a plan made for many calls, where the caller leaves the number open.
  int32_t (*choose_splits)(const MetadataCall& call);
};

extern const Backend kCpuBackend;

}  // namespace fa
