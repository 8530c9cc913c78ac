// Vector unit (pipe V): operations on UB.
#pragma once

#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

// Which lanes work. Either the count form (a number of elements, laid out one behind the other), or
// repeats with a mask. A mask of the instruction itself is in `high`/`low`; without one, the mask
// that the kernel has set before holds.
struct Lanes {
  bool counted = false;
  int64_t count = 0;      // counted: elements
  int64_t repeats = 0;    // else: 0 to 255
  bool own_mask = false;  // `high` and `low` belong to the instruction
  bool leading = false;   // own_mask: given as a number of lanes, which counter mode cannot mean
  uint64_t high = 0, low = 0;
};

// Strides in 32-byte blocks: between the blocks of a repeat, and between repeats.
struct Steps {
  int64_t block = 1;
  int64_t repeat = 8;
};

enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kMax, kMin, kAnd, kOr };

void vector_binary(BinaryOp op, const Operand& dst, const Operand& a, const Operand& b,
                   const Lanes& lanes, Steps dst_steps, Steps a_steps, Steps b_steps, Site site);

}  // namespace ascsim
