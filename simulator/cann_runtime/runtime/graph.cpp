#include "runtime/graph.h"

#include "runtime/handles.h"
#include "runtime/stream.h"

namespace ascsim::cann {

void Graph::add(Task task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  tasks_.push_back(std::move(task));
}

std::vector<Task> Graph::tasks() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return tasks_;
}

void Graph::join(const std::shared_ptr<Stream>& stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  streams_.push_back(stream);
}

void Graph::leave_all() {
  std::vector<std::weak_ptr<Stream>> streams;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    streams.swap(streams_);
  }
  for (const auto& weak : streams) {
    if (const auto stream = weak.lock()) stream->set_capture(nullptr);
  }
}

namespace {

Handles<Graph>& graphs() {
  static auto* all = new Handles<Graph>;
  return *all;
}

}  // namespace

void* keep_graph(std::shared_ptr<Graph> graph) { return graphs().add(std::move(graph)); }
std::shared_ptr<Graph> find_graph(void* handle) { return graphs().find(handle); }
bool destroy_graph(void* handle) { return graphs().remove(handle); }

}  // namespace ascsim::cann
