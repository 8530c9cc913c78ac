// The public entry points: normalise, pick the first back end that accepts, plan, run.

#include "registry/backend.h"

#include <cstring>

#include "fa/attention.h"
#include "problem/normalize.h"

namespace fa {

// Best first. A back end for NPU tensors goes in front.
static const Backend* const kBackends[] = {&kCpuBackend};

static Status pick_backend(Device device, const Backend** chosen) {
  std::string refusals;
  for (const Backend* backend : kBackends) {
    Status status = backend->supports(device);
    if (status.ok()) {
      *chosen = backend;
      return {};
    }
    refusals += concat(refusals.empty() ? "" : "; ", backend->name, ": ", status.message);
  }
  return {StatusCode::kUnavailable, "no back end takes this call (" + refusals + ")"};
}

static const Backend& planned_backend(const Plan& plan) {
  for (const Backend* backend : kBackends) {
    if (std::strcmp(backend->name, plan.backend) == 0) return *backend;
  }
  return *kBackends[0];
}

Status prepare_forward(const ForwardCall& call, ForwardProblem* problem, Plan* plan) {
  const Backend* backend = nullptr;
  FA_RETURN_IF_ERROR(pick_backend(call.q.device, &backend));
  FA_RETURN_IF_ERROR(normalize_forward(call, problem));
  plan->backend = backend->name;
  backend->plan_forward(*problem, plan);
  return {};
}

void run_forward(const ForwardProblem& problem, const Plan& plan, void* workspace) {
  planned_backend(plan).run_forward(problem, plan, workspace);
}

Status prepare_backward(const BackwardCall& call, BackwardProblem* problem, Plan* plan) {
  const Backend* backend = nullptr;
  FA_RETURN_IF_ERROR(pick_backend(call.q.device, &backend));
  FA_RETURN_IF_ERROR(normalize_backward(call, problem));
  plan->backend = backend->name;
  backend->plan_backward(*problem, plan);
  return {};
}

void run_backward(const BackwardProblem& problem, const Plan& plan, void* workspace) {
  planned_backend(plan).run_backward(problem, plan, workspace);
}

}  // namespace fa
