#pragma once

// The loadable object that holds the device kernels: what it exports, as plain data, so that the
// host side and the object may come from different compilers. It is opened when the first call for
// an NPU arrives, see loader.h.

#include <cstdint>

namespace fa::npu {

// Raised whenever a struct of this file changes.
inline constexpr uint32_t kKernelObjectAbi = 8;

enum class KernelRole : int32_t { kForward, kCombine, kAppend };

// One entry, and what its launch needs.
struct KernelEntry {
  const char* name;
  int32_t dtype;          // fa::DType
  int32_t head_dim;       // the most score_columns(...) that it takes
  int32_t value_dim;      // the largest it takes
  int32_t qv;             // non-zero: an mla kernel, which takes one
  int32_t extras;         // non-zero: rare work on the scores is compiled in
  int32_t int8;           // non-zero: it takes an int8 cache, and no other
  int32_t max_task_rows;  // rows (query, head) of a task
  KernelRole role;
  int64_t workspace_per_core;  // bytes
};

// Memory that the kernel of a launch may touch.
struct DeviceBuffer {
  const char* name;  // lives as long as the process
  uint64_t address;
  int64_t bytes;
  int32_t defined;  // 0: an output or workspace whose content means nothing yet
  int32_t reserved;
};

// Nothing of it is needed any more when the launch returns.
struct LaunchRequest {
  const char* operation;  // ours, named in errors
  const char* kernel;
  const void* args;  // a struct of kernel_args.h, in host memory
  int64_t args_bytes;
  void* stream;  // null: run to the end before returning; only the simulator can
  const DeviceBuffer* buffers;
  int32_t buffer_count;
  int32_t cores;
};

// Outcomes of a launch; all but kLaunched come with a message.
enum class LaunchOutcome : int32_t { kLaunched, kInvalid, kKernelDefect, kFailed, kUnavailable };

struct KernelObject {
  uint32_t abi;
  uint32_t forward_args_bytes;  // of ForwardArgs as the kernels know it
  const char* toolchain;        // "simulator" or "bisheng"
  const KernelEntry* kernels;
  int32_t kernel_count;
  int32_t wants_buffers;  // non-zero: launches tell the memory, as the simulator needs it
  // AI cores of the device that this process uses; at least 1.
  int32_t (*cores)();
  // Writes at most message_bytes, a final zero included. Never throws.
  LaunchOutcome (*launch)(const LaunchRequest* request, char* message, int64_t message_bytes);
};

// The one symbol that the object exports.
inline constexpr const char* kKernelObjectSymbol = "fa_npu_kernel_object";
using KernelObjectFunction = const KernelObject* (*)();

}  // namespace fa::npu
