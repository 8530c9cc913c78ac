#include "npu/object/sim_runtime.h"

#include <dlfcn.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace fa::npu {
namespace {

// Of the library that torch_npu works on. Looked up again as long as it is not there: the first
// call may be one with host memory.
void* find(const char* symbol) {
  void* library = dlopen("libascendcl.so", RTLD_NOW | RTLD_NOLOAD);
  return library ? dlsym(library, symbol) : nullptr;
}

}  // namespace

void submit(void* stream, const char* name, StreamTask task, const void* bytes, size_t size) {
  using Launch = int (*)(void*, const char*, StreamTask, const void*, size_t);
  static Launch launch = nullptr;
  if (!launch) launch = reinterpret_cast<Launch>(find("ascsim_launch"));
  if (!launch) {
    throw std::runtime_error(
        "these kernels are simulated, and the CANN runtime of this process is not");
  }
  const int code = launch(stream, name, task, bytes, size);
  if (code != 0) throw std::runtime_error("the runtime refused it: error " + std::to_string(code));
}

int32_t device_cores(int32_t usual) {
  using Capability = int (*)(uint32_t device, int info, int64_t* value);
  constexpr int kAiCores = 0;  // ACL_DEVICE_INFO_AI_CORE_NUM
  const auto capability = reinterpret_cast<Capability>(find("aclGetDeviceCapability"));
  int64_t cores = 0;
  if (!capability || !find("ascsim_launch") || capability(0, kAiCores, &cores) != 0) return usual;
  return static_cast<int32_t>(std::clamp<int64_t>(cores, 1, usual));
}

}  // namespace fa::npu
