#pragma once

// The seam between the host side and a toolchain: starts kernels of the kernel object.

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "fa/execution.h"
#include "fa/status.h"
#include "npu/kernel_object.h"

namespace fa::npu {

// A kernel start. It holds all it needs, since it may have to wait for its turn.
struct Launch {
  const char* kernel = "";  // entry of the kernel object
  int32_t cores = 0;        // AI cores; for kernels without a cube part, vector cores
  std::vector<uint64_t> args;
  std::vector<DeviceBuffer> buffers;  // if the object asks for them

  // `value`: a struct of kernel_args.h.
  template <typename Args>
  void set_args(const Args& value) {
    static_assert(std::is_trivially_copyable_v<Args> && sizeof(Args) % sizeof(uint64_t) == 0);
    args.resize(sizeof(Args) / sizeof(uint64_t));
    std::memcpy(args.data(), &value, sizeof(Args));
  }
};

// Starts them one after the other on the stream. `operation`: ours, named in errors.
Status launch(const KernelObject& object, const char* operation, std::vector<Launch> launches,
              const Execution& execution);

}  // namespace fa::npu
