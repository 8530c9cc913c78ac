// The kernel object of the toolchain `bisheng`: kernels run on an NPU, in the order of their
// stream.

#include <cstdio>
#include <cstring>

#include "acl/acl.h"
#include "npu/kernel_args.h"
#include "npu/kernel_object.h"
#include "npu/object/kernel_list.h"
#include "npu/object/kernel_table.h"

// Defined beside each kernel, see entry.h. False: the arguments have another size.
#define FA_DECLARE_START(name, ...) \
  bool fa_start_##name(const void* args, int64_t bytes, uint32_t cores, void* stream);
extern "C" {
FA_FORWARD_KERNELS(FA_DECLARE_START)
FA_MLA_KERNELS(FA_DECLARE_START)
FA_VECTOR_KERNELS(FA_DECLARE_START)
}

namespace fa::npu {
namespace {

struct Starter {
  const char* kernel;
  bool (*start)(const void* args, int64_t bytes, uint32_t cores, void* stream);
};

#define FA_STARTER(name, ...) {#name, fa_start_##name},
constexpr Starter kStarters[] = {FA_FORWARD_KERNELS(FA_STARTER) FA_MLA_KERNELS(FA_STARTER)
                                     FA_VECTOR_KERNELS(FA_STARTER)};

const Starter* find_starter(const char* kernel) {
  for (const Starter& starter : kStarters) {
    if (std::strcmp(starter.kernel, kernel) == 0) return &starter;
  }
  return nullptr;
}

// The cores that have a cube unit. Where no device answers, the launch will say so.
int32_t cores() {
  int32_t device = 0;
  int64_t count = 0;
  if (aclrtGetDevice(&device) != ACL_SUCCESS ||
      aclrtGetDeviceInfo(static_cast<uint32_t>(device), ACL_DEV_ATTR_CUBE_CORE_NUM, &count) !=
          ACL_SUCCESS) {
    return 1;
  }
  return count > 0 ? static_cast<int32_t>(count) : 1;
}

LaunchOutcome launch(const LaunchRequest* request, char* message, int64_t message_bytes) {
  const size_t room = static_cast<size_t>(message_bytes);
  const Starter* starter = find_starter(request->kernel);
  if (!starter) {
    std::snprintf(message, room, "this kernel object has no such kernel");
    return LaunchOutcome::kFailed;
  }
  if (!request->stream) {
    std::snprintf(message, room, "no stream given: only simulated kernels run without");
    return LaunchOutcome::kFailed;
  }
  // A start returns nothing; what it does wrong becomes the error of this thread. An earlier error
  // is not ours.
  const aclError before = aclrtPeekAtLastError(ACL_RT_THREAD_LEVEL);
  if (!starter->start(request->args, request->args_bytes, static_cast<uint32_t>(request->cores),
                      request->stream)) {
    std::snprintf(message, room, "%lld bytes are not the size of its arguments",
                  static_cast<long long>(request->args_bytes));
    return LaunchOutcome::kFailed;
  }
  const aclError after = aclrtPeekAtLastError(ACL_RT_THREAD_LEVEL);
  if (after == ACL_SUCCESS || after == before) return LaunchOutcome::kLaunched;
  aclrtGetLastError(ACL_RT_THREAD_LEVEL);
  const char* text = aclGetRecentErrMsg();
  std::snprintf(message, room, "ACL error %d: %s", after, text ? text : "no further message");
  return LaunchOutcome::kFailed;
}

}  // namespace
}  // namespace fa::npu

extern "C" __attribute__((visibility("default"))) const fa::npu::KernelObject*
fa_npu_kernel_object() {
  using namespace fa::npu;
  static const KernelTable table = kernel_table();
  static const KernelObject object = {
      kKernelObjectAbi, sizeof(ForwardArgs), "bisheng", table.entries, table.count, 0, cores,
      launch,
  };
  return &object;
}
