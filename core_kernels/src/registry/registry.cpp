// The public entry points: pick the first back end that accepts, normalise, plan, run.

#include <cstdlib>

#include "fa/attention.h"
#include "npu/npu_backend.h"
#include "plan/plan.h"
#include "problem/normalize.h"
#include "registry/backend.h"

namespace fa {
namespace {

// Best first.
const Backend* const kBackends[] = {&kNpuBackend, &kCpuBackend};

struct Environment {
  BackendChoice choice = BackendChoice::kAuto;
  Status status;

  Environment() {
    const char* given = std::getenv("FLASH_ATTN_NPU_BACKEND");
    std::string name = given ? given : "";
    if (name == "cpu") choice = BackendChoice::kCpu;
    if (name == "npu") choice = BackendChoice::kNpu;
    if (name.empty() || name == "auto" || choice != BackendChoice::kAuto) return;
    status = invalid_argument("FLASH_ATTN_NPU_BACKEND: got ", name, ", expected auto, cpu or npu");
  }
};

const Environment& environment() {
  static const Environment environment;
  return environment;
}

Status pick_backend(Device device, const Backend** chosen) {
  const Environment& wanted = environment();
  FA_RETURN_IF_ERROR(wanted.status);
  // The way of most calls leaves out the other back ends' reasons.
  if (device == Device::kCpu && wanted.choice != BackendChoice::kNpu) {
    *chosen = &kCpuBackend;
    return kCpuBackend.takes(device, wanted.choice);
  }
  std::string refusals;
  for (const Backend* backend : kBackends) {
    Status status = backend->takes(device, wanted.choice);
    if (status.ok()) {
      *chosen = backend;
      return {};
    }
    refusals += concat(refusals.empty() ? "" : "; ", backend->name, ": ", status.message);
  }
  return {StatusCode::kUnavailable, "no back end takes this call (" + refusals + ")"};
}

const Backend& planned_backend(const Plan& plan) {
  for (const Backend* backend : kBackends) {
    if (backend->name == plan.backend) return *backend;
  }
  return kCpuBackend;
}

Status missing(const Backend& backend, const char* what) {
  return not_supported(what, ": the back end ", backend.name, " has none yet");
}

}  // namespace

Status prepare_forward(const ForwardCall& call, ForwardProblem* problem, Plan* plan) {
  const Backend* backend = nullptr;
  FA_RETURN_IF_ERROR(pick_backend(call.q.device, &backend));
  FA_RETURN_IF_ERROR(normalize_forward(call, backend->value_use(call.q.device), problem));
  FA_RETURN_IF_ERROR(backend->supports_forward(*problem));
  plan->backend = backend->name;
  return backend->plan_forward(*problem, plan);
}

Status run_forward(const ForwardProblem& problem, const Plan& plan, const Execution& execution) {
  return planned_backend(plan).run_forward(problem, plan, execution);
}

Status device_status(const Plan& plan, const void* status) {
  return planned_backend(plan).device_status(plan, status);
}

Status prepare_backward(const BackwardCall& call, BackwardProblem* problem, Plan* plan) {
  const Backend* backend = nullptr;
  FA_RETURN_IF_ERROR(pick_backend(call.q.device, &backend));
  if (!backend->plan_backward) return missing(*backend, "backward");
  FA_RETURN_IF_ERROR(normalize_backward(call, problem));
  plan->backend = backend->name;
  return backend->plan_backward(*problem, plan);
}

Status run_backward(const BackwardProblem& problem, const Plan& plan, const Execution& execution) {
  return planned_backend(plan).run_backward(problem, plan, execution);
}

Status combine(const CombineCall& call, const Execution& execution) {
  const Backend* backend = nullptr;
  FA_RETURN_IF_ERROR(pick_backend(call.out_partial.device, &backend));
  FA_RETURN_IF_ERROR(check_combine(call));
  return backend->combine(call, execution);
}

Status make_metadata(const MetadataCall& call, std::vector<int32_t>* metadata) {
  const Backend* backend = nullptr;
  FA_RETURN_IF_ERROR(pick_backend(call.device, &backend));
  return plan_metadata(call, backend->choose_splits, metadata);
}

std::vector<std::pair<std::string, std::string>> backend_states() {
  std::vector<std::pair<std::string, std::string>> states;
  const Environment& wanted = environment();
  for (const Backend* backend : kBackends) {
    // Each where it belongs: the NPU's in device memory, or in host memory if that was asked for.
    bool host = backend == &kCpuBackend || wanted.choice == BackendChoice::kNpu;
    Status status = wanted.status;
    if (status.ok()) status = backend->takes(host ? Device::kCpu : Device::kNpu, wanted.choice);
    states.emplace_back(backend->name, status.message);
  }
  return states;
}

}  // namespace fa
