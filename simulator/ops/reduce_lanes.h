// Arithmetic of reductions on the lanes of one repeat, shared by the reducing operations.
#pragma once

#include <cstdint>
#include <cstring>

#include "ascsim/ops_vector_reduce.h"
#include "ops/vector_loops.h"
#include "ops/vector_plan.h"

namespace ascsim {

// The lanes of one repeat as floats, and which of them take part.
template <typename Format>
struct RepeatLanes {
  using Stored = typename Format::Stored;
  static constexpr int kPerBlock = static_cast<int>(kBlockBytes / sizeof(Stored));
  static constexpr int kLanes = static_cast<int>(kRepeatBytes / sizeof(Stored));

  float values[kLanes];
  uint64_t low = 0, high = 0;

  bool on(int lane) const { return ((lane < 64 ? low >> lane : high >> (lane - 64)) & 1) != 0; }
  bool all() const { return low == ones(kLanes) && high == ones(kLanes - 64); }

  // Bits of the `count` lanes from `first` on; a group does not cross lane 64.
  uint64_t group(int first, int count) const {
    if (count > 64) return low | high;  // only asked whether any lane is on
    return (first < 64 ? low >> first : high >> (first - 64)) & ones(count);
  }

  // Reads the blocks that have an active lane.
  [[gnu::always_inline]] void load(const VectorPlan& plan, int64_t repeat, const uint8_t* src,
                                   Steps steps) {
    low = plan.low_of(repeat);
    high = plan.high_of(repeat);
    const uint8_t* from = src + repeat * steps.repeat * kBlockBytes;
    for (int block = 0; block < kLanes / kPerBlock; ++block) {
      if (group(block * kPerBlock, kPerBlock) == 0) continue;
      Stored stored[kPerBlock];
      std::memcpy(stored, from + block * steps.block * kBlockBytes, kBlockBytes);
      float* to = values + block * kPerBlock;
      for (int l = 0; l < kPerBlock; ++l) to[l] = Format::load(stored[l]);
    }
  }
};

// One step up the tree: each addition rounds to the format; binary16 sums are exact in float.
template <typename Format>
inline float rounded_sum(float a, float b) {
  return Format::load(Format::store(a + b));
}

// A NaN wins ("Memory矢量计算接口边界值汇总", tables 33 to 40), else the first of equal ones.
inline float better(ReduceOp op, float a, float b) {
  const bool beats = op == ReduceOp::kMax ? b > a : b < a;
  return (beats || b != b) && a == a ? b : a;
}

// Sum as a binary tree of neighbours: (1+2)+(3+4) ... ("ReduceDataBlock", how it adds). Lanes that
// are off are left out of the tree (inferred: the pages show full blocks only).
template <typename Format>
float tree_sum(const RepeatLanes<Format>& lanes, int first, int count) {
  float values[RepeatLanes<Format>::kLanes];
  bool present[RepeatLanes<Format>::kLanes];
  for (int l = 0; l < count; ++l) {
    values[l] = lanes.values[first + l];
    present[l] = lanes.on(first + l);
  }
  for (; count > 1; count /= 2) {
    for (int l = 0; l < count / 2; ++l) {
      const bool a = present[2 * l], b = present[2 * l + 1];
      values[l] = a && b ? rounded_sum<Format>(values[2 * l], values[2 * l + 1])
                         : values[2 * l + (a ? 0 : 1)];
      present[l] = a || b;
    }
  }
  return values[0];
}

// All lanes on: every group of a repeat at once, in place; the results are the first values.
template <typename Format>
[[gnu::always_inline]] inline void combine_groups(ReduceOp op, RepeatLanes<Format>& lanes,
                                                  int group) {
  float* v = lanes.values;
  for (int left = RepeatLanes<Format>::kLanes / 2; group > 1; group /= 2, left /= 2) {
    if (op == ReduceOp::kSum) {
      ASCSIM_INDEPENDENT
      for (int l = 0; l < left; ++l) v[l] = rounded_sum<Format>(v[2 * l], v[2 * l + 1]);
    } else {
      ASCSIM_INDEPENDENT
      for (int l = 0; l < left; ++l) v[l] = better(op, v[2 * l], v[2 * l + 1]);
    }
  }
}

// Lane of the maximum or minimum, the first of equal ones ("ReduceRepeat", constraints). That the
// index of a NaN is the first NaN's is inferred.
template <typename Format>
int extreme_lane(ReduceOp op, const RepeatLanes<Format>& lanes, int first, int count) {
  int best = -1;
  float held = 0;
  for (int l = first; l < first + count; ++l) {
    if (!lanes.on(l)) continue;
    const float value = lanes.values[l];
    if (value != value) return l;
    if (best < 0 || (op == ReduceOp::kMax ? value > held : value < held)) {
      best = l;
      held = value;
    }
  }
  return best;
}

}  // namespace ascsim
