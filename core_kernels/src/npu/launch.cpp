#include "npu/launch.h"

#include <array>
#include <memory>
#include <utility>

namespace fa::npu {
namespace {

constexpr int64_t kMessageBytes = 16384;

StatusCode code_of(LaunchOutcome outcome) {
  switch (outcome) {
    case LaunchOutcome::kLaunched:
      return StatusCode::kOk;
    case LaunchOutcome::kInvalid:
      return StatusCode::kInvalidArgument;
    case LaunchOutcome::kUnavailable:
      return StatusCode::kUnavailable;
    case LaunchOutcome::kKernelDefect:
    case LaunchOutcome::kFailed:
      break;
  }
  return StatusCode::kInternal;
}

Status start(const KernelObject& object, const char* operation, const Launch& launch,
             void* stream) {
  const LaunchRequest request = {operation,
                                 launch.kernel,
                                 launch.args.data(),
                                 static_cast<int64_t>(launch.args.size() * sizeof(uint64_t)),
                                 stream,
                                 launch.buffers.data(),
                                 static_cast<int32_t>(launch.buffers.size()),
                                 launch.cores};
  std::array<char, kMessageBytes> message;
  message[0] = '\0';
  LaunchOutcome outcome = object.launch(&request, message.data(), kMessageBytes);
  if (outcome == LaunchOutcome::kLaunched) return {};
  return {code_of(outcome), concat(operation, " (", object.toolchain, " kernel ", launch.kernel,
                                   " on ", launch.cores, " cores): ", message.data())};
}

Status start_all(const KernelObject& object, const char* operation,
                 const std::vector<Launch>& launches, void* stream) {
  for (const Launch& launch : launches) {
    FA_RETURN_IF_ERROR(start(object, operation, launch, stream));
  }
  return {};
}

}  // namespace

Status launch(const KernelObject& object, const char* operation, std::vector<Launch> launches,
              const Execution& execution) {
  if (!execution.queue) return start_all(object, operation, launches, execution.stream);
  // Shared, because a queue may copy the function.
  auto kept = std::make_shared<const std::vector<Launch>>(std::move(launches));
  return execution.queue->enqueue(operation, [&object, operation, kept, to = execution.stream] {
    return start_all(object, operation, *kept, to);
  });
}

}  // namespace fa::npu
