// The NPU back end's face to the registry.

#include "npu/npu_backend.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "fa/attention.h"
#include "npu/device_memory.h"
#include "npu/forward_args.h"
#include "npu/forward_plan.h"
#include "npu/launch.h"
#include "npu/loader.h"
#include "npu/status_report.h"
#include "npu/supports.h"

namespace fa {
namespace {

bool is_simulated(const npu::KernelObject& object) {
  return std::strcmp(object.toolchain, "simulator") == 0;
}

Status takes(Device device, BackendChoice choice) {
  if (device == Device::kOther) return not_supported("tensors are not on an NPU");
  if (device == Device::kCpu && choice != BackendChoice::kNpu) {
    return not_supported("tensors are on the CPU");
  }
  if (device == Device::kNpu && choice == BackendChoice::kCpu) {
    return not_supported("FLASH_ATTN_NPU_BACKEND is cpu");
  }
  const npu::KernelObject* object = nullptr;
  FA_RETURN_IF_ERROR(npu::kernel_object(&object));
  if (device == Device::kCpu && !is_simulated(*object)) {
    return not_supported("tensors are on the CPU, and the kernels of this build are for a device");
  }
  return {};
}

// FLASH_ATTN_NPU_SIM_VALUES=leave treats host memory as if it were a device's: for tests.
ValueUse value_use(Device device) {
  if (device != Device::kCpu) return ValueUse::kLeave;
  const char* given = std::getenv("FLASH_ATTN_NPU_SIM_VALUES");
  return given && std::strcmp(given, "leave") == 0 ? ValueUse::kLeave : ValueUse::kCheck;
}

Status plan_npu_forward(const ForwardProblem& problem, Plan* plan) {
  const npu::KernelObject* object = nullptr;
  FA_RETURN_IF_ERROR(npu::kernel_object(&object));
  return npu::plan_forward(problem, *object, plan);
}

// Blocks of a kernel without a cube part: one for each vector core.
Status vector_blocks(const npu::KernelObject& object, int64_t margin, int32_t* blocks) {
  FA_RETURN_IF_ERROR(npu::available_cores(object, margin, blocks));
  *blocks *= npu::kVectorCoresPerCore;
  return {};
}

constexpr const char* kForward = "attention forward";
constexpr const char* kCombine = "combine";

// A launch of its own on the same stream: as a tail of the forward it would need a barrier of all
// cores, and all of them resident at once.
Status combine_splits(const npu::KernelObject& object, const ForwardProblem& problem,
                      const npu::ForwardArgs& forward, npu::Launch* launch) {
  FA_RETURN_IF_ERROR(vector_blocks(object, problem.options.sm_margin, &launch->cores));
  launch->kernel = npu::find_kernel(object, npu::KernelRole::kCombine, problem.out.dtype)->name;
  launch->set_args(npu::combine_args(problem, forward.splits));
  return {};
}

// A launch of its own before the attention, which then finds the new keys in the cache.
Status append(const npu::KernelObject& object, const ForwardProblem& problem,
              const npu::ForwardArgs& forward, npu::Launch* launch) {
  FA_RETURN_IF_ERROR(vector_blocks(object, problem.options.sm_margin, &launch->cores));
  launch->kernel = npu::find_kernel(object, npu::KernelRole::kAppend, problem.q_dtype)->name;
  launch->set_args(npu::append_args(problem, forward));
  return {};
}

// What a call starts, in this order.
Status forward_launches(const npu::KernelObject& object, const ForwardProblem& problem,
                        const Plan& plan, const Execution& execution,
                        std::vector<npu::Launch>* launches) {
  const auto workspace = reinterpret_cast<uint64_t>(execution.workspace);
  const npu::ForwardArgs args = npu::forward_args(problem, plan, workspace);
  const auto add = [&](npu::Stage stage) {
    npu::Launch& launch = launches->emplace_back();
    if (object.wants_buffers) {
      launch.buffers = npu::forward_memory(problem, plan, execution.workspace, stage);
    }
    return &launch;
  };
  if (problem.k_new.data) {
    FA_RETURN_IF_ERROR(append(object, problem, args, add(npu::Stage::kAppend)));
  }
  if (!npu::has_results(problem)) return {};
  npu::Launch* attend = add(npu::Stage::kAttend);
  attend->kernel = plan.kernel;
  attend->cores = plan.cores;
  attend->set_args(args);
  if (plan.splits > 1) {
    FA_RETURN_IF_ERROR(combine_splits(object, problem, args, add(npu::Stage::kCombine)));
  }
  return {};
}

Status run_npu_forward(const ForwardProblem& problem, const Plan& plan,
                       const Execution& execution) {
  if (plan.cores == 0) return {};
  const npu::KernelObject* object = nullptr;
  FA_RETURN_IF_ERROR(npu::kernel_object(&object));
  std::vector<npu::Launch> launches;
  launches.reserve(3);
  FA_RETURN_IF_ERROR(forward_launches(*object, problem, plan, execution, &launches));
  return npu::launch(*object, kForward, std::move(launches), execution);
}

npu::TensorArg rows_arg(const TensorView& view, int first) {
  return {reinterpret_cast<uint64_t>(view.data), view.stride[first], view.stride[first + 1],
          view.stride[first + 2]};
}

npu::CombineArgs combine_args(const CombineCall& call) {
  const TensorView& partial = call.out_partial;
  npu::CombineArgs args = {};
  args.partials.out = rows_arg(partial, 1);
  args.partials.lse = rows_arg(call.lse_partial, 1);
  args.partials.out_stride = partial.stride[0];
  args.partials.lse_stride = call.lse_partial.stride[0];
  args.partials.count = static_cast<int32_t>(partial.size[0]);
  args.out = rows_arg(call.out, 0);
  args.lse = rows_arg(call.lse, 0);
  args.batch = static_cast<int32_t>(partial.size[1]);
  args.q_lengths.limit = static_cast<int32_t>(partial.size[2]);
  args.q_heads = static_cast<int32_t>(partial.size[3]);
  args.value_dim = static_cast<int32_t>(partial.size[4]);
  float infinity = std::numeric_limits<float>::infinity();
  args.empty_lse = call.api == Api::kV2 ? infinity : -infinity;
  return args;
}

Status run_npu_combine(const CombineCall& call, const Execution& execution) {
  const npu::KernelObject* object = nullptr;
  FA_RETURN_IF_ERROR(npu::kernel_object(&object));
  const TensorView& partial = call.out_partial;
  if (partial.size[1] * partial.size[2] * partial.size[3] * partial.size[4] == 0) return {};
  if (partial.size[4] > npu::kMaxCombinedDim) {
    return not_supported("out_partial: got value dim ", partial.size[4],
                         ", supported on NPUs: up to ", npu::kMaxCombinedDim);
  }
  npu::Launch launch;
  launch.kernel = npu::find_kernel(*object, npu::KernelRole::kCombine, call.out.dtype)->name;
  FA_RETURN_IF_ERROR(vector_blocks(*object, 0, &launch.cores));
  launch.set_args(combine_args(call));
  if (object->wants_buffers) launch.buffers = npu::combine_memory(call);
  return npu::launch(*object, kCombine, {std::move(launch)}, execution);
}

// As the plan of such a call chooses.
int32_t choose_npu_splits(const MetadataCall& call) {
  const npu::KernelObject* object = nullptr;
  if (!npu::kernel_object(&object).ok()) return 1;
  ForwardProblem problem;
  Geometry& g = problem.geometry;
  g.batch = static_cast<int32_t>(call.batch);
  g.q_heads = static_cast<int32_t>(call.q_heads);
  g.kv_heads = static_cast<int32_t>(call.kv_heads);
  g.group = g.q_heads / g.kv_heads;
  g.head_dim = static_cast<int32_t>(call.head_dim);
  g.value_dim = static_cast<int32_t>(call.value_dim);
  g.max_q_len = static_cast<int32_t>(call.max_seqlen_q);
  g.max_kv_len = static_cast<int32_t>(call.max_seqlen_k);
  g.mask.window_left = call.mask.window_left;
  problem.q_dtype = call.dtype;
  problem.options = call.options;
  Plan plan;
  return npu::plan_forward(problem, *object, &plan).ok() ? plan.splits : 1;
}

}  // namespace

const Backend kNpuBackend = {
    "npu",
    takes,
    value_use,
    npu::supports_forward,
    plan_npu_forward,
    run_npu_forward,
    npu::read_status,
    nullptr,  // plan_backward
    nullptr,  // run_backward
    run_npu_combine,
    choose_npu_splits,
};

std::vector<std::pair<std::string, std::string>> npu_report() {
  const npu::KernelObject* object = nullptr;
  Status status = npu::kernel_object(&object);
  if (!status.ok()) return {{"toolchain", "none"}, {"kernels", status.message}};
  std::string kernels;
  for (int32_t i = 0; i < object->kernel_count; ++i) {
    kernels += concat(kernels.empty() ? "" : ", ", object->kernels[i].name);
  }
  const char* mark = is_simulated(*object) ? " (a development build, never to be published)" : "";
  return {{"toolchain", concat(object->toolchain, mark)},
          {"kernel object", npu::kernel_object_path()},
          {"kernels", kernels}};
}

}  // namespace fa
