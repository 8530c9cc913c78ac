// Which lanes of an element-wise result count as written when some source bytes were not.
#pragma once

#include <initializer_list>

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

// Call after Instruction::begin, whether it executes or not: a lane is written if it is in all
// sources. Does nothing when all sources were written.
inline void refine_written(const Instruction& i, const VectorPlan& plan, const LaneOperand& dst,
                           std::initializer_list<LaneOperand> sources) {
  if (!i.used_unwritten()) return;
  Machine& m = machine();
  const auto per_block = [](const LaneOperand& o) {
    return static_cast<int>(kBlockBytes) / o.bytes;
  };
  for (int64_t r = 0; r < plan.repeats; ++r) {
    const auto visit = [&](int first, int count) {
      for (int lane = first; lane < first + count; ++lane) {
        int64_t offset = 0;
        bool written = true;
        for (const LaneOperand& source : sources) {
          const Operand at = source.lane(r, lane, per_block(source));
          const Shadow& shadow = m.shadow(at, &offset);
          written = written && shadow.first_undefined(offset, source.bytes) < 0;
        }
        Shadow& shadow = m.shadow(dst.lane(r, lane, per_block(dst)), &offset);
        shadow.set(offset, dst.bytes, written);
      }
    };
    for_each_lane_run(plan.low_of(r), plan.high_of(r), plan.lanes, per_block(dst), visit);
  }
}

}  // namespace ascsim
