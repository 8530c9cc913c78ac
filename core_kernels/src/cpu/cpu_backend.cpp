// The CPU back end's face to the registry, and the core's CPU-only entry points.

#include <algorithm>
#include <limits>

#include "cpu/backward.h"
#include "cpu/combine.h"
#include "cpu/forward.h"
#include "cpu/isa_table.h"
#include "fa/attention.h"
#include "plan/plan.h"
#include "problem/checks.h"
#include "registry/backend.h"

namespace fa {
namespace {

Status takes(Device device, BackendChoice choice) {
  if (device != Device::kCpu) return not_supported("tensors are not on the CPU");
  if (choice == BackendChoice::kNpu) return not_supported("FLASH_ATTN_NPU_BACKEND is npu");
  return cpu::environment_status();
}

ValueUse value_use(Device) { return ValueUse::kRead; }

Status supports_forward(const ForwardProblem&) { return {}; }

Status plan_cpu_forward(const ForwardProblem& problem, Plan* plan) {
  plan->isa = cpu::microkernels().name;
  plan_forward(problem, cpu::few_rows(problem), plan);
  return {};
}

Status run_cpu_forward(const ForwardProblem& problem, const Plan& plan,
                       const Execution& execution) {
  cpu::run_forward(problem, plan, execution.workspace);
  return {};
}

Status plan_cpu_backward(const BackwardProblem& problem, Plan* plan) {
  plan->isa = cpu::microkernels().name;
  plan_backward(problem, cpu::backward_strip(problem), plan);
  return {};
}

Status run_cpu_backward(const BackwardProblem& problem, const Plan& plan,
                        const Execution& execution) {
  cpu::run_backward(problem, plan, execution.workspace);
  return {};
}

int32_t choose_cpu_splits(const MetadataCall& call) {
  return choose_splits(call.batch, call.max_seqlen_q, call.max_seqlen_k, call.q_heads,
                       call.kv_heads, call.head_dim, call.value_dim);
}

Status run_cpu_combine(const CombineCall& call, const Execution&) {
  const TensorView& o = call.out_partial;
  const TensorView& lse = call.lse_partial;
  cpu::CombineProblem problem;
  problem.splits = static_cast<int32_t>(o.size[0]);
  problem.rows = o.size[1];
  problem.tokens = o.size[2];
  problem.heads = o.size[3];
  problem.value_dim = static_cast<int32_t>(o.size[4]);
  problem.partial_out = {static_cast<char*>(o.data), o.dtype, o.stride[1], o.stride[2],
                         o.stride[3]};
  problem.out_split_stride = o.stride[0];
  problem.partial_lse = {static_cast<float*>(lse.data), lse.stride[1], lse.stride[3],
                         lse.stride[2]};
  problem.lse_split_stride = lse.stride[0];
  problem.out = token_view(call.out);
  problem.lse = {static_cast<float*>(call.lse.data), call.lse.stride[0], call.lse.stride[2],
                 call.lse.stride[1]};
  float infinity = std::numeric_limits<float>::infinity();
  problem.empty_lse = call.api == Api::kV2 ? infinity : -infinity;
  cpu::run_combine(problem, cpu::microkernels(), call.threads);
  return {};
}

}  // namespace

const Backend kCpuBackend = {
    "cpu",
    takes,
    value_use,
    supports_forward,
    plan_cpu_forward,
    run_cpu_forward,
    nullptr,  // device_status
    plan_cpu_backward,
    run_cpu_backward,
    run_cpu_combine,
    choose_cpu_splits,
};

std::string cpu_isa() { return cpu::microkernels().name; }

std::vector<std::string> cpu_isas() {
  std::vector<std::string> names;
  for (const cpu::Microkernels* isa : cpu::available_isas()) names.push_back(isa->name);
  return names;
}

Status set_cpu_isa(const std::string& name) { return cpu::select_isa(name); }

}  // namespace fa
