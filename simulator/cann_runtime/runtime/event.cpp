#include "runtime/event.h"

#include "runtime/handles.h"
#include "runtime/stream.h"

namespace ascsim::cann {

uint64_t Event::begin_record(const std::shared_ptr<Stream>& stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  stream_ = stream;
  graph_.reset();
  return ++recorded_;
}

void Event::set_position(uint64_t position) {
  const std::lock_guard<std::mutex> lock(mutex_);
  position_ = position;
}

void Event::complete_record(uint64_t record) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (record > completed_) {
      completed_ = record;
      when_ = std::chrono::steady_clock::now();
    }
  }
  done_.notify_all();
}

uint64_t Event::latest() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return recorded_;
}

bool Event::wait(uint64_t record, int timeout_ms) {
  std::shared_ptr<Stream> stream;
  uint64_t position = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stream = stream_.lock();
    position = position_;
  }
  if (stream) stream->demand(position);
  std::unique_lock<std::mutex> lock(mutex_);
  const auto reached = [&] { return completed_ >= record; };
  if (timeout_ms < 0) {
    done_.wait(lock, reached);
    return true;
  }
  return done_.wait_for(lock, std::chrono::milliseconds(timeout_ms), reached);
}

bool Event::complete() const {
  std::shared_ptr<Stream> stream;
  uint64_t position = 0;
  bool reached = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reached = completed_ >= recorded_;
    stream = stream_.lock();
    position = position_;
  }
  if (!reached && stream) stream->demand(position);  // who polls wants it to happen
  return reached;
}

bool Event::time(Time* when) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  *when = when_;
  return recorded_ != 0 && completed_ >= recorded_;
}

std::shared_ptr<Graph> Event::graph() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return graph_.lock();
}

void Event::set_graph(std::shared_ptr<Graph> graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  graph_ = graph;
}

namespace {

Handles<Event>& events() {
  static auto* all = new Handles<Event>;
  return *all;
}

}  // namespace

void* create_event() { return events().add(std::make_shared<Event>()); }
std::shared_ptr<Event> find_event(void* handle) { return events().find(handle); }
bool destroy_event(void* handle) { return events().remove(handle); }

}  // namespace ascsim::cann
