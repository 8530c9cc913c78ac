// Events: points of streams that streams and the host can wait for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "runtime/errors.h"

namespace ascsim::cann {

class Graph;
class Stream;

class Event {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A record: which one it is. A wait refers to the latest record before it.
  uint64_t begin_record(const std::shared_ptr<Stream>& stream);
  void set_position(uint64_t position);
  void complete_record(uint64_t record);

  // The latest record; 0: never recorded.
  uint64_t latest() const;
  // Blocks until that record has completed; false after the timeout (negative: none).
  bool wait(uint64_t record, int timeout_ms);
  bool complete() const;
  // When the latest completed record happened; false if there is none or it is pending.
  bool time(Time* when) const;

  // Under capture: the graph that has the record.
  std::shared_ptr<Graph> graph() const;
  void set_graph(std::shared_ptr<Graph> graph);

 private:
  mutable std::mutex mutex_;
  std::condition_variable done_;
  uint64_t recorded_ = 0;
  uint64_t completed_ = 0;
  Time when_{};
  std::weak_ptr<Stream> stream_;
  uint64_t position_ = 0;  // of the latest record in its stream, for Stream::demand
  std::weak_ptr<Graph> graph_;
};

// Handles: null if the program does not own such an event.
void* create_event();
std::shared_ptr<Event> find_event(void* handle);
bool destroy_event(void* handle);

}  // namespace ascsim::cann
