#include "npu/launch.h"

#include <array>
#include <cstring>

namespace fa::npu {
namespace {

constexpr int64_t kMessageBytes = 16384;

StatusCode code_of(LaunchOutcome outcome) {
  switch (outcome) {
    case LaunchOutcome::kLaunched:
      return StatusCode::kOk;
    case LaunchOutcome::kInvalid:
      return StatusCode::kInvalidArgument;
    case LaunchOutcome::kKernelDefect:
    case LaunchOutcome::kFailed:
      break;
  }
  return StatusCode::kInternal;
}

Status launch_sim(const KernelObject& object, const Launch& launch) {
  const LaunchRequest request = {launch.kernel,
                                 launch.args,
                                 launch.args_bytes,
                                 launch.device_args,
                                 launch.stream,
                                 launch.buffers.data(),
                                 static_cast<int32_t>(launch.buffers.size()),
                                 launch.cores};
  std::array<char, kMessageBytes> message{};
  LaunchOutcome outcome = object.launch(&request, message.data(), kMessageBytes);
  if (outcome == LaunchOutcome::kLaunched) return {};
  return {code_of(outcome), concat(launch.operation, " (kernel ", launch.kernel, " on ",
                                   launch.cores, " simulated cores): ", message.data())};
}

// Copies the arguments to the device on the stream and starts the kernel there.
Status launch_acl(const KernelObject& object, const Launch& launch) {
  return {StatusCode::kUnavailable, concat(launch.operation, ": kernels of the toolchain ",
                                           object.toolchain, " are not started by this version")};
}

}  // namespace

Status launch(const KernelObject& object, const Launch& launch) {
  bool simulated = std::strcmp(object.toolchain, "simulator") == 0;
  return simulated ? launch_sim(object, launch) : launch_acl(object, launch);
}

}  // namespace fa::npu
