#pragma once

// Tasks of a forward call: (entry, head, block of packed rows, split), numbered without storing
// them. Within a head the last row block comes first: under a causal mask it is the longest.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fa/problem.h"

namespace fa {

struct Task {
  int32_t entry;
  int32_t head;  // KV head when the group is packed, else query head
  int64_t row_begin;
  int32_t rows;
  int32_t split;
};

class TaskList {
 public:
  TaskList(const Geometry& geometry, int32_t rows_per_task, bool pack_gqa, int32_t splits)
      : geometry_(geometry),
        rows_per_task_(rows_per_task),
        heads_(pack_gqa ? geometry.kv_heads : geometry.q_heads),
        group_(pack_gqa ? geometry.group : 1),
        splits_(splits) {
    first_.reserve(geometry.entries.size() + 1);
    first_.push_back(0);
    for (const BatchEntry& entry : geometry.entries) {
      first_.push_back(first_.back() + blocks(entry) * heads_ * splits_);
    }
  }

  int64_t size() const { return first_.back(); }

  Task at(int64_t index) const {
    auto next = std::upper_bound(first_.begin(), first_.end(), index);
    Task task;
    task.entry = static_cast<int32_t>(next - first_.begin() - 1);
    const BatchEntry& entry = geometry_.entries[static_cast<size_t>(task.entry)];
    int64_t local = index - first_[static_cast<size_t>(task.entry)];
    task.split = static_cast<int32_t>(local % splits_);
    local /= splits_;
    int64_t count = blocks(entry);
    task.head = static_cast<int32_t>(local / count);
    int64_t block = count - 1 - local % count;
    task.row_begin = block * rows_per_task_;
    int64_t left = rows(entry) - task.row_begin;
    task.rows = static_cast<int32_t>(std::min<int64_t>(left, rows_per_task_));
    return task;
  }

 private:
  int64_t rows(const BatchEntry& entry) const { return static_cast<int64_t>(entry.q_len) * group_; }
  int64_t blocks(const BatchEntry& entry) const {
    return (rows(entry) + rows_per_task_ - 1) / rows_per_task_;
  }

  const Geometry& geometry_;
  int32_t rows_per_task_;
  int32_t heads_;
  int32_t group_;
  int32_t splits_;
  std::vector<int64_t> first_;
};

}  // namespace fa
