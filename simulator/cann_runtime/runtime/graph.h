// Captured work: tasks in the order in which they were issued, replayed in that order.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/task.h"

namespace ascsim::cann {

class Stream;

class Graph {
 public:
  void add(Task task);
  std::vector<Task> tasks() const;

  // Streams that take part: the one that began, and those that waited for an event of the graph.
  void join(const std::shared_ptr<Stream>& stream);
  // Ends the capture in all of them.
  void leave_all();

 private:
  mutable std::mutex mutex_;
  std::vector<Task> tasks_;
  std::vector<std::weak_ptr<Stream>> streams_;
};

void* keep_graph(std::shared_ptr<Graph> graph);
std::shared_ptr<Graph> find_graph(void* handle);
bool destroy_graph(void* handle);

}  // namespace ascsim::cann
