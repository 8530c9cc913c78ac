// A kernel object that starts nothing: for tests of the seam and of what a call costs before it.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "npu/kernel_args.h"
#include "npu/kernel_object.h"

namespace {

using namespace fa::npu;

long number(const char* variable, long usual) {
  const char* given = std::getenv(variable);
  return given ? std::strtol(given, nullptr, 10) : usual;
}

LaunchOutcome launch(const LaunchRequest* request, char* message, int64_t bytes) {
  if (std::getenv("STAND_IN_PRINTS")) {
    ForwardArgs args;
    std::memcpy(&args, request->args, sizeof(args));
    std::printf("%s %d %lld %d %d\n", request->kernel, request->cores,
                static_cast<long long>(request->args_bytes), args.batch, request->buffer_count);
    std::fflush(stdout);
  }
  std::snprintf(message, static_cast<size_t>(bytes), "the stand-in says no");
  return static_cast<LaunchOutcome>(number("STAND_IN_OUTCOME", 0));
}

}  // namespace

#ifndef STAND_IN_SYMBOL
#define STAND_IN_SYMBOL fa_npu_kernel_object
#endif

extern "C" const KernelObject* STAND_IN_SYMBOL() {
  constexpr int32_t kFloat16 = 1;
  static const KernelEntry entry = {"stand_in",           kFloat16, 128, 128, 0, 0, 0, 256,
                                    KernelRole::kForward, 4096};
  static KernelObject object;
  object.abi = static_cast<uint32_t>(number("STAND_IN_ABI", kKernelObjectAbi));
  object.forward_args_bytes = static_cast<uint32_t>(number("STAND_IN_ARGS", sizeof(ForwardArgs)));
  const char* toolchain = std::getenv("STAND_IN_TOOLCHAIN");
  object.toolchain = toolchain ? toolchain : "simulator";
  object.kernels = &entry;
  object.kernel_count = 1;
  object.wants_buffers = 1;
  object.cores = [] { return static_cast<int32_t>(number("STAND_IN_CORES", 24)); };
  object.launch = launch;
  return &object;
}
