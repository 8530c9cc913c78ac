#pragma once

// Every entry of the kernel object, with what its launch needs, taken from the kernels' own
// constants.

#include "npu/kernel_object.h"

namespace fa::npu {

struct KernelTable {
  const KernelEntry* entries;
  int32_t count;
};

KernelTable kernel_table();

}  // namespace fa::npu
