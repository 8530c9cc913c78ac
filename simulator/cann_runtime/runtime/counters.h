// How often things happened in this process.
#pragma once

#include <atomic>
#include <cstdint>

namespace ascsim::cann {

#define ASCSIM_COUNTERS(X)   \
  X(allocations)             \
  X(frees)                   \
  X(host_allocations)        \
  X(host_to_device)          \
  X(device_to_host)          \
  X(device_to_device)        \
  X(pageable_copies)         \
  X(memsets)                 \
  X(stream_synchronisations) \
  X(event_synchronisations)  \
  X(device_synchronisations) \
  X(event_records)           \
  X(event_waits)             \
  X(operator_launches)       \
  X(kernel_launches)         \
  X(graph_replays)           \
  X(failed_tasks)

struct Counters {
#define ASCSIM_COUNTER(name) std::atomic<int64_t> name{0};
  ASCSIM_COUNTERS(ASCSIM_COUNTER)
#undef ASCSIM_COUNTER
};

Counters& counters();

}  // namespace ascsim::cann
