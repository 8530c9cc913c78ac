// The NPU back end's face to the registry.

#include "npu/npu_backend.h"

#include <cstdlib>
#include <cstring>

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

Status run_npu_forward(const ForwardProblem& problem, const Plan& plan,
                       const Execution& execution) {
  if (plan.cores == 0) return {};
  const npu::KernelObject* object = nullptr;
  FA_RETURN_IF_ERROR(npu::kernel_object(&object));
  uint64_t workspace = reinterpret_cast<uint64_t>(execution.workspace);
  npu::ForwardArgs args = npu::forward_args(problem, plan, workspace);
  npu::Launch launch;
  launch.operation = "attention forward";
  launch.kernel = plan.kernel;
  launch.cores = plan.cores;
  launch.args = &args;
  launch.args_bytes = sizeof(args);
  launch.device_args = workspace;
  launch.stream = execution.stream;
  if (is_simulated(*object)) {
    launch.buffers = npu::forward_memory(problem, plan, execution.workspace);
  }
  return npu::launch(*object, launch);
}

int32_t choose_splits(const MetadataCall&) { return 1; }

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
    nullptr,  // combine
    choose_splits,
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
