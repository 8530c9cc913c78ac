#pragma once

// The simulated CANN runtime, if this process has loaded it: the way to the streams of a simulated
// device.

#include <cstddef>
#include <cstdint>

namespace fa::npu {

// Runs on the device's behalf with a copy of the bytes given at launch. It may throw.
using StreamTask = int (*)(void* bytes);

// Appends a task to a stream; throws std::runtime_error if there is no such runtime (a process with
// a real device, for one) or if it refuses.
void submit(void* stream, const char* name, StreamTask task, const void* bytes, size_t size);

// AI cores of the simulated device; `usual` without such a runtime.
int32_t device_cores(int32_t usual);

}  // namespace fa::npu
