#pragma once

// Tasks of a forward call: (entry, heads, block of packed rows, split), numbered without storing
// them. Several heads share a task where an entry has few rows. Within a head the last row block
// comes first: under a causal mask it is the longest.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fa/plan.h"
#include "fa/problem.h"

namespace fa {

struct Task {
  int32_t entry;
  int32_t head;  // KV head when the group is packed, else query head
  int32_t heads;
  int64_t row_begin;
  int32_t rows;
  int32_t split;
};

class TaskList {
 public:
  TaskList(const Geometry& geometry, const Plan& plan)
      : geometry_(geometry),
        rows_per_task_(plan.rows_per_task),
        heads_(plan.pack_gqa ? geometry.kv_heads : geometry.q_heads),
        group_(plan.pack_gqa ? geometry.group : 1),
        splits_(plan.splits),
        few_rows_(plan.few_rows),
        few_heads_(plan.few_heads) {
    first_.reserve(geometry.entries.size() + 1);
    first_.push_back(0);
    for (const BatchEntry& entry : geometry.entries) {
      int64_t parts = (heads_ + heads_per_task(entry) - 1) / heads_per_task(entry);
      first_.push_back(first_.back() + blocks(entry) * parts * splits_);
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
    int32_t most = heads_per_task(entry);
    task.head = static_cast<int32_t>(local / count) * most;
    task.heads = std::min(most, heads_ - task.head);
    int64_t block = count - 1 - local % count;
    task.row_begin = block * rows_per_task_;
    int64_t left = rows(entry) - task.row_begin;
    task.rows = static_cast<int32_t>(std::min<int64_t>(left, rows_per_task_));
    return task;
  }

 private:
  int64_t rows(const BatchEntry& entry) const { return static_cast<int64_t>(entry.q_len) * group_; }
  int32_t heads_per_task(const BatchEntry& entry) const {
    return rows(entry) <= few_rows_ ? few_heads_ : 1;
  }
  int64_t blocks(const BatchEntry& entry) const {
    return (rows(entry) + rows_per_task_ - 1) / rows_per_task_;
  }

  const Geometry& geometry_;
  int32_t rows_per_task_;
  int32_t heads_;
  int32_t group_;
  int32_t splits_;
  int32_t few_rows_;
  int32_t few_heads_;
  std::vector<int64_t> first_;
};

}  // namespace fa
