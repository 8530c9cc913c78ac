// Who accessed each byte last.
//
// A memory is cut into cells of 32 bytes. A cell holds the number of a state: the last write and
// the reads since. Cells with the same history share their state, so an instruction over a
// contiguous range looks at one state and then only rewrites numbers. A cell that instructions
// touch in part is split: it has a state for each of its bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "ascsim/types.h"

namespace ascsim {

struct Access {
  uint32_t component = 0;  // core and pipe, see clock.h
  uint32_t epoch = 0;      // 0: none
  uint32_t where = 0;      // operation and line
  bool in_order = true;    // see Issued
  uint8_t unit_flag = 0;
};

struct AccessState {
  Access writer;
  std::vector<Access> readers;  // since the write; those that a later one implies are left out
  std::vector<Access> atomics;  // read-modify-writes since the write, in no order
  int64_t holders = 0;          // cells, and bytes of split cells
};

// States by number; 0 is "never accessed". Numbers that nobody holds are used again after
// recycle().
class StatePool {
 public:
  StatePool() : states_(1) {}

  const AccessState& at(uint32_t state) const { return states_[state]; }
  uint32_t add(const Access& writer);
  uint32_t copy_of(uint32_t state);
  AccessState& edit(uint32_t state) { return states_[state]; }

  void move(uint32_t from, uint32_t to, int64_t holders) {
    states_[to].holders += holders;
    if ((states_[from].holders -= holders) == 0 && from != 0) idle_.push_back(from);
  }
  // To be called when no state number is kept outside of cells.
  void recycle();

 private:
  uint32_t take();

  std::vector<AccessState> states_;
  std::vector<uint32_t> idle_;  // may be without holders
  std::vector<uint32_t> free_;
};

inline constexpr int kCellBytes = 32;

// The cells of one memory, in pages that exist from their first access on.
class CellMap {
 public:
  explicit CellMap(StatePool& pool) : pool_(&pool) {}

  // Calls `state = step(state, begin, end)` for each stretch of bytes with one state.
  template <typename Step>
  void update(uint64_t begin, uint64_t end, Step&& step) {
    while (begin < end) {
      const uint64_t cell = begin / kCellBytes;
      uint32_t* page = page_of(cell);
      const uint64_t in_page = cell % kPageCells;
      const uint64_t whole = begin % kCellBytes == 0 ? end / kCellBytes - cell : 0;
      if (whole == 0) {
        const uint64_t stop = std::min(end, (cell + 1) * kCellBytes);
        update_part(page[in_page], begin, stop, step);
        begin = stop;
        continue;
      }
      const uint64_t count = std::min(whole, kPageCells - in_page);
      update_cells(page + in_page, count, begin, step);
      begin += count * kCellBytes;
    }
  }

 private:
  static constexpr uint64_t kPageCells = 4096;
  static constexpr uint32_t kSplit = 0x80000000u;  // the rest is an index into splits_
  using Split = std::array<uint32_t, kCellBytes>;

  uint32_t* page_of(uint64_t cell) {
    const size_t page = static_cast<size_t>(cell / kPageCells);
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (!pages_[page]) pages_[page] = std::make_unique<uint32_t[]>(kPageCells);
    return pages_[page].get();
  }

  template <typename Step>
  void update_cells(uint32_t* cells, uint64_t count, uint64_t begin, Step&& step) {
    for (uint64_t i = 0; i < count;) {
      const uint32_t state = cells[i];
      if ((state & kSplit) != 0) {
        update_part(cells[i], begin + i * kCellBytes, begin + (i + 1) * kCellBytes, step);
        ++i;
        continue;
      }
      uint64_t j = i + 1;
      while (j < count && cells[j] == state) ++j;
      const uint32_t next = step(state, begin + i * kCellBytes, begin + j * kCellBytes);
      if (next != state) {
        std::fill(cells + i, cells + j, next);
        pool_->move(state, next, static_cast<int64_t>(j - i));
      }
      i = j;
    }
  }

  // Bytes [begin, end) of one cell.
  template <typename Step>
  void update_part(uint32_t& cell, uint64_t begin, uint64_t end, Step&& step) {
    if ((cell & kSplit) == 0) {
      const uint32_t next = step(cell, begin, end);
      if (next == cell) return;
      split(cell);
      assign(cell, begin % kCellBytes, end - begin, next);
    } else {
      for (uint64_t at = begin; at < end;) {
        const Split& bytes = splits_[cell & ~kSplit];
        const uint32_t state = bytes[at % kCellBytes];
        uint64_t stop = at + 1;
        while (stop < end && bytes[stop % kCellBytes] == state) ++stop;
        const uint32_t next = step(state, at, stop);
        if (next != state) assign(cell, at % kCellBytes, stop - at, next);
        at = stop;
      }
    }
    merge(cell);
  }

  void split(uint32_t& cell);
  void assign(uint32_t cell, uint64_t begin, uint64_t count, uint32_t state);
  void merge(uint32_t& cell);  // back to one state if all bytes have the same

  StatePool* pool_;
  std::vector<std::unique_ptr<uint32_t[]>> pages_;
  std::vector<Split> splits_;
  std::vector<uint32_t> free_splits_;
};

}  // namespace ascsim
