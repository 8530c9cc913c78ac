#pragma once

// The seam between the host side and a toolchain: starts a kernel of the kernel object.

#include <cstdint>
#include <vector>

#include "fa/status.h"
#include "npu/kernel_object.h"

namespace fa::npu {

struct Launch {
  const char* operation = "";  // ours, named in errors
  const char* kernel = "";     // entry of the kernel object
  int32_t cores = 0;           // AI cores; for kernels without a cube part, vector cores
  const void* args = nullptr;  // in host memory; read before launch() returns
  int64_t args_bytes = 0;
  uint64_t device_args = 0;  // room for them on the device
  void* stream = nullptr;
  std::vector<DeviceBuffer> buffers;  // only the simulator asks for them
};

Status launch(const KernelObject& object, const Launch& launch);

}  // namespace fa::npu
