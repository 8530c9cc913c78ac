#pragma once

// Finds and opens the kernel object of this build.

#include <string>

#include "fa/status.h"
#include "npu/kernel_object.h"

namespace fa::npu {

// Where it belongs: the folder `_npu_kernels` beside the native module.
std::string kernel_object_path();

// Opens it at the first call; later calls return the same. kUnavailable with the reason if there is
// none or if it is not the one that this build was made with.
Status kernel_object(const KernelObject** object);

}  // namespace fa::npu
