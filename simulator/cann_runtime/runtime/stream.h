// Streams: in-order queues of work, each with a worker thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/task.h"

namespace ascsim::cann {

class Event;
class Graph;

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(int device, uint32_t flags);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Appends a task to the stream, or to the graph if the stream is captured.
  void submit(Task task);
  void record(const std::shared_ptr<Event>& event);
  void wait_for(const std::shared_ptr<Event>& event);

  // Waits until all that was submitted is done. Returns the first failure since the last call;
  // kRtStreamSyncTimeout after the timeout (negative: none); kRtStreamCaptured under capture.
  Outcome synchronize(int timeout_ms = -1);
  bool idle();
  // Lets tasks up to this position run (Schedule::kLate).
  void demand(uint64_t position);

  int device() const { return device_; }
  int id() const { return id_; }
  uint32_t flags() const { return flags_; }
  // After a failed task: go on with the next one, or drop all until the failure was returned.
  void set_stop_on_failure(bool stop);

  std::shared_ptr<Graph> capture() const;
  void set_capture(std::shared_ptr<Graph> graph);

 private:
  uint64_t enqueue(Task task);
  void work();
  void run(const Task& task);

  const int device_;
  const int id_;
  const uint32_t flags_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::deque<Task> queue_;
  uint64_t submitted_ = 0;
  uint64_t finished_ = 0;
  uint64_t demanded_ = 0;
  bool quit_ = false;
  bool stop_on_failure_ = false;
  Outcome failure_;
  std::shared_ptr<Graph> capture_;
  std::thread worker_;  // started by the first task
};

void* create_stream(int device, uint32_t flags);
// Null stands for the default stream of the device; null if there is no such stream.
std::shared_ptr<Stream> find_stream(void* handle, int device);
// Waits for its work first. False if there is no such stream.
bool destroy_stream(void* handle);
// All streams of a device (negative: of all devices); the first failure.
Outcome synchronize_device(int device, int timeout_ms = -1);

}  // namespace ascsim::cann
