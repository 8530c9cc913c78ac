#pragma once

// Entry points of the core. `prepare_*` checks everything and writes nothing; `run_*` needs a
// workspace of plan.workspace_bytes (64-byte aligned). Only a device can make a run fail.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fa/call.h"
#include "fa/execution.h"
#include "fa/plan.h"
#include "fa/problem.h"
#include "fa/status.h"

namespace fa {

Status prepare_forward(const ForwardCall& call, ForwardProblem* problem, Plan* plan);
Status run_forward(const ForwardProblem& problem, const Plan& plan, const Execution& execution);

// What a run found wrong in device memory; `status`: a copy of plan.status_bytes, made after it.
Status device_status(const Plan& plan, const void* status);

Status prepare_backward(const BackwardCall& call, BackwardProblem* problem, Plan* plan);
Status run_backward(const BackwardProblem& problem, const Plan& plan, const Execution& execution);

Status combine(const CombineCall& call, const Execution& execution);

// Split count chosen for num_splits = 0.
int32_t choose_splits(int64_t batch, int64_t q_len, int64_t kv_len, int64_t q_heads,
                      int64_t kv_heads, int64_t head_dim, int64_t value_dim);

Status make_metadata(const MetadataCall& call, std::vector<int32_t>* metadata);

// The back ends by name, each with "" or the reason why it takes no tensors here.
std::vector<std::pair<std::string, std::string>> backend_states();

// The kernels for NPUs in this build: toolchain, file and kernels, or why there are none.
std::vector<std::pair<std::string, std::string>> npu_report();

// CPU instruction sets: the one in use, those this machine runs (best first), and a choice.
std::string cpu_isa();
std::vector<std::string> cpu_isas();
Status set_cpu_isa(const std::string& name);

// Name of the deliberate defect in a mutation-test build, else "".
std::string mutant_name();

}  // namespace fa
