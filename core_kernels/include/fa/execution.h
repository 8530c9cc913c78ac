#pragma once

// What a run gets besides its plan.

#include <functional>

#include "fa/status.h"

namespace fa {

// Queues work for a device's streams on the host, in order with what others queue there.
class LaunchQueue {
 public:
  virtual ~LaunchQueue() = default;
  // `start` runs once, now or later, perhaps on another thread. An error of a later run is reported
  // by the queue's owner, with the name of the operation.
  virtual Status enqueue(const char* operation, std::function<Status()> start) const = 0;
};

struct Execution {
  void* workspace = nullptr;           // plan.workspace_bytes
  void* stream = nullptr;              // of the device; null in host memory
  const LaunchQueue* queue = nullptr;  // null: launches go straight to the stream
};

}  // namespace fa
