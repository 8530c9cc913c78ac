#include "runtime/stream.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>

#include "runtime/config.h"
#include "runtime/counters.h"
#include "runtime/event.h"
#include "runtime/faults.h"
#include "runtime/graph.h"
#include "runtime/handles.h"

namespace ascsim::cann {

namespace {

int next_id() {
  static std::atomic<int> next{0};
  return next++;
}

}  // namespace

Stream::Stream(int device, uint32_t flags) : device_(device), id_(next_id()), flags_(flags) {}

Stream::~Stream() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  wake_.notify_all();
  if (!worker_.joinable()) return;
  // The last owner may be a task of the stream itself.
  if (worker_.get_id() == std::this_thread::get_id()) {
    worker_.detach();
  } else {
    worker_.join();
  }
}

void Stream::submit(Task task) {
  if (const auto graph = capture()) {
    graph->add(std::move(task));
  } else {
    enqueue(std::move(task));
  }
}

uint64_t Stream::enqueue(Task task) {
  if (config().schedule == Schedule::kSync) {
    run(task);
    const std::lock_guard<std::mutex> lock(mutex_);
    finished_ = ++submitted_;
    return submitted_;
  }
  uint64_t position = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!worker_.joinable()) worker_ = std::thread([this] { work(); });
    queue_.push_back(std::move(task));
    position = ++submitted_;
  }
  wake_.notify_one();
  return position;
}

void Stream::work() {
  const bool late = config().schedule == Schedule::kLate;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock,
               [&] { return quit_ || (!queue_.empty() && (!late || demanded_ > finished_)); });
    if (quit_) return;
    const Task task = std::move(queue_.front());
    queue_.pop_front();
    const bool skip = stop_on_failure_ && !failure_.ok();
    lock.unlock();
    if (config().task_delay_us > 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(config().task_delay_us));
    }
    if (!skip) run(task);
    lock.lock();
    ++finished_;
    done_.notify_all();
  }
}

void Stream::run(const Task& task) {
  Outcome outcome = run_guarded(task.work);
  if (outcome.ok()) return;
  ++counters().failed_tasks;
  outcome.message = task.name + " on stream " + std::to_string(id_) + ": " + outcome.message;
  report(outcome.message);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.ok()) failure_ = std::move(outcome);
}

void Stream::record(const std::shared_ptr<Event>& event) {
  ++counters().event_records;
  if (const auto graph = capture()) {
    event->set_graph(graph);
    return;
  }
  const uint64_t record = event->begin_record(shared_from_this());
  event->set_position(enqueue({"event record", [event, record] {
                                 event->complete_record(record);
                                 return Outcome{};
                               }}));
}

void Stream::wait_for(const std::shared_ptr<Event>& event) {
  ++counters().event_waits;
  if (const auto graph = event->graph()) {
    if (!capture()) {
      graph->join(shared_from_this());
      set_capture(graph);
    }
    return;  // the order of the graph is that of issue
  }
  const uint64_t record = event->latest();
  submit({"event wait", [event, record] {
            event->wait(record, -1);
            return Outcome{};
          }});
}

Outcome Stream::synchronize(int timeout_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (capture_) {
    return {kRtStreamCaptured,
            "stream " + std::to_string(id_) + " cannot be synchronized while it is captured"};
  }
  const uint64_t wanted = submitted_;
  demanded_ = std::max(demanded_, wanted);
  wake_.notify_all();
  const auto reached = [&] { return finished_ >= wanted; };
  if (timeout_ms < 0) {
    done_.wait(lock, reached);
  } else if (!done_.wait_for(lock, std::chrono::milliseconds(timeout_ms), reached)) {
    return {kRtStreamSyncTimeout, "stream " + std::to_string(id_) + " was not done after " +
                                      std::to_string(timeout_ms) + " ms"};
  }
  Outcome outcome;
  std::swap(outcome, failure_);
  return outcome;
}

bool Stream::idle() {
  const std::lock_guard<std::mutex> lock(mutex_);
  demanded_ = std::max(demanded_, submitted_);  // who polls wants it to happen
  wake_.notify_all();
  return finished_ >= submitted_;
}

void Stream::demand(uint64_t position) {
  const std::lock_guard<std::mutex> lock(mutex_);
  demanded_ = std::max(demanded_, position);
  wake_.notify_all();
}

void Stream::set_stop_on_failure(bool stop) {
  const std::lock_guard<std::mutex> lock(mutex_);
  stop_on_failure_ = stop;
}

std::shared_ptr<Graph> Stream::capture() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return capture_;
}

void Stream::set_capture(std::shared_ptr<Graph> graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  capture_ = std::move(graph);
}

namespace {

struct Streams {
  Handles<Stream> handles;
  std::mutex mutex;
  std::map<int, std::shared_ptr<Stream>> defaults;  // by device
};

Streams& streams() {
  static auto* all = new Streams;  // outlives the end of the program
  return *all;
}

}  // namespace

void* create_stream(int device, uint32_t flags) {
  return streams().handles.add(std::make_shared<Stream>(device, flags));
}

std::shared_ptr<Stream> find_stream(void* handle, int device) {
  if (handle != nullptr) return streams().handles.find(handle);
  const std::lock_guard<std::mutex> lock(streams().mutex);
  std::shared_ptr<Stream>& stream = streams().defaults[device];
  if (!stream) stream = std::make_shared<Stream>(device, 0);
  return stream;
}

bool destroy_stream(void* handle) {
  const auto stream = streams().handles.find(handle);
  if (!stream) return false;
  stream->synchronize();
  return streams().handles.remove(handle);
}

Outcome synchronize_device(int device, int timeout_ms) {
  std::vector<std::shared_ptr<Stream>> all = streams().handles.all();
  {
    const std::lock_guard<std::mutex> lock(streams().mutex);
    for (const auto& [index, stream] : streams().defaults) all.push_back(stream);
  }
  Outcome first;
  for (const auto& stream : all) {
    if (device >= 0 && stream->device() != device) continue;
    Outcome outcome = stream->synchronize(timeout_ms);
    if (first.ok()) first = std::move(outcome);
  }
  return first;
}

}  // namespace ascsim::cann
