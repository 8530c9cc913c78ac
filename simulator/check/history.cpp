#include "check/history.h"

namespace ascsim {

uint32_t StatePool::take() {
  uint32_t state = 0;
  if (free_.empty()) {
    state = static_cast<uint32_t>(states_.size());
    states_.emplace_back();
  } else {
    state = free_.back();
    free_.pop_back();
  }
  idle_.push_back(state);  // until somebody holds it
  return state;
}

uint32_t StatePool::add(const Access& writer) {
  const uint32_t state = take();
  states_[state].writer = writer;
  states_[state].readers.clear();
  states_[state].atomics.clear();
  return state;
}

uint32_t StatePool::copy_of(uint32_t state) {
  const uint32_t copy = take();
  states_[copy].writer = states_[state].writer;
  states_[copy].readers = states_[state].readers;
  states_[copy].atomics = states_[state].atomics;
  return copy;
}

void StatePool::recycle() {
  for (const uint32_t state : idle_) {
    // -1 marks what is in free_ already: a number can be idle twice.
    if (states_[state].holders != 0) continue;
    states_[state].holders = -1;
    free_.push_back(state);
  }
  for (const uint32_t state : idle_) {
    if (states_[state].holders == -1) states_[state].holders = 0;
  }
  idle_.clear();
}

void CellMap::split(uint32_t& cell) {
  uint32_t index = 0;
  if (free_splits_.empty()) {
    index = static_cast<uint32_t>(splits_.size());
    splits_.emplace_back();
  } else {
    index = free_splits_.back();
    free_splits_.pop_back();
  }
  splits_[index].fill(cell);
  pool_->edit(cell).holders += kCellBytes - 1;  // by bytes now
  cell = index | kSplit;
}

void CellMap::assign(uint32_t cell, uint64_t begin, uint64_t count, uint32_t state) {
  Split& bytes = splits_[cell & ~kSplit];
  for (uint64_t i = begin; i < begin + count; ++i) {
    pool_->move(bytes[i], state, 1);
    bytes[i] = state;
  }
}

void CellMap::merge(uint32_t& cell) {
  if ((cell & kSplit) == 0) return;
  const uint32_t index = cell & ~kSplit;
  const Split& bytes = splits_[index];
  if (std::any_of(bytes.begin(), bytes.end(), [&](uint32_t s) { return s != bytes[0]; })) return;
  cell = bytes[0];
  pool_->edit(cell).holders -= kCellBytes - 1;
  free_splits_.push_back(index);
}

}  // namespace ascsim
