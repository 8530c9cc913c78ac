// Where the lanes of an operand lie.
#pragma once

#include "ops/vector_plan.h"

namespace ascsim {

struct LaneOperand {
  Operand at;
  int bytes = 4;  // of one lane
  Steps steps;

  Operand lane(int64_t repeat, int lane, int lanes_per_block) const {
    return at.plus_bytes(repeat * steps.repeat * kBlockBytes +
                         lane / lanes_per_block * steps.block * kBlockBytes +
                         lane % lanes_per_block * bytes);
  }
};

}  // namespace ascsim
