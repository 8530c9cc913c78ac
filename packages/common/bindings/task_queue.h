#pragma once

// torch_npu's task queue: what torch_npu's operators launch through, so that what we launch through
// it keeps its place among them. Found by symbol in the library that the process has loaded, since
// linking it would tie a wheel to one version.

#include <string>

#include "fa/execution.h"

namespace fa::bindings {

// Null if there is no torch_npu, or one without a known entry to its queue: then a launch must wait
// until the queue is empty, and go straight to the stream.
const LaunchQueue* task_queue();

// The entry in use, or why there is none; for reports.
std::string task_queue_state();

}  // namespace fa::bindings
