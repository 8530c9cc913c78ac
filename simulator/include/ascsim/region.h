// Bytes that an instruction touches.
#pragma once

#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

// `length` bytes at base + i * stride[0] + j * stride[1] for all i < count[0], j < count[1].
struct Region {
  Memory memory = Memory::kUb;
  bool values = true;    // false: the bytes are only moved, so they may be unwritten ones
  bool updated = false;  // of a write: read-modify-write by an atomic move
  int32_t buffer = -1;   // GM only
  uint64_t base = 0;
  uint32_t length = 0;
  uint32_t count[2] = {1, 1};
  int64_t stride[2] = {0, 0};

  bool empty() const { return length == 0 || count[0] == 0 || count[1] == 0; }

  // First byte and one past the last byte of all pieces.
  int64_t begin() const { return static_cast<int64_t>(base) + reach(0, true) + reach(1, true); }
  int64_t end() const {
    return static_cast<int64_t>(base) + reach(0, false) + reach(1, false) + length;
  }

  // Calls visit(begin, length) for each contiguous piece, neighbours joined where that is easy.
  template <typename Visit>
  void for_each_run(Visit&& visit) const {
    if (empty()) return;
    const bool dense0 = count[0] == 1 || stride[0] == static_cast<int64_t>(length);
    const uint64_t row = dense0 ? static_cast<uint64_t>(length) * count[0] : length;
    if (dense0 && (count[1] == 1 || stride[1] == static_cast<int64_t>(row))) {
      visit(base, row * count[1]);
      return;
    }
    for (uint32_t j = 0; j < count[1]; ++j) {
      const uint64_t start = base + static_cast<uint64_t>(stride[1] * j);
      if (dense0) {
        visit(start, row);
        continue;
      }
      for (uint32_t i = 0; i < count[0]; ++i) {
        visit(start + static_cast<uint64_t>(stride[0] * i), static_cast<uint64_t>(length));
      }
    }
  }

 private:
  int64_t reach(int dim, bool low) const {
    const int64_t last = stride[dim] * (static_cast<int64_t>(count[dim]) - 1);
    return (last < 0) == low ? last : 0;
  }
};

inline Region region(const Operand& at, int64_t bytes) {
  Region r;
  r.memory = at.memory;
  r.buffer = at.buffer;
  r.base = at.address;
  r.length = static_cast<uint32_t>(bytes);
  return r;
}

inline Region region(const Operand& at, int64_t bytes, uint32_t count, int64_t stride,
                     uint32_t count1 = 1, int64_t stride1 = 0) {
  Region r = region(at, bytes);
  r.count[0] = count;
  r.stride[0] = stride;
  r.count[1] = count1;
  r.stride[1] = stride1;
  return r;
}

}  // namespace ascsim
