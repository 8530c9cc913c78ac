// Arithmetic of reductions on the lanes of one repeat, shared by the reducing operations.
#pragma once

#include <cstdint>
#include <cstring>

#include "ascsim/ops_vector_reduce.h"
#include "ops/vector_plan.h"

namespace ascsim {

// The lanes of one repeat and which of them take part.
template <typename T>
struct RepeatLanes {
  static constexpr int kPerBlock = static_cast<int>(kBlockBytes / sizeof(T));
  static constexpr int kLanes = static_cast<int>(kRepeatBytes / sizeof(T));

  T values[kLanes];
  uint64_t low = 0, high = 0;

  bool on(int lane) const { return ((lane < 64 ? low >> lane : high >> (lane - 64)) & 1) != 0; }
  bool all() const { return low == ones(kLanes) && high == ones(kLanes - 64); }

  // Bits of the `count` lanes from `first` on; a group does not cross lane 64.
  uint64_t group(int first, int count) const {
    if (count > 64) return low | high;  // only asked whether any lane is on
    return (first < 64 ? low >> first : high >> (first - 64)) & ones(count);
  }

  // Reads the blocks that have an active lane.
  void load(const VectorPlan& plan, int64_t repeat, const uint8_t* src, Steps steps) {
    low = plan.low_of(repeat);
    high = plan.high_of(repeat);
    const uint8_t* from = src + repeat * steps.repeat * kBlockBytes;
    for (int block = 0; block < kLanes / kPerBlock; ++block) {
      if (group(block * kPerBlock, kPerBlock) == 0) continue;
      std::memcpy(values + block * kPerBlock, from + block * steps.block * kBlockBytes,
                  kBlockBytes);
    }
  }
};

// The sum of T rounds to T; binary16 sums are exact in float before that.
template <typename T>
inline T rounded_sum(T a, T b) {
  return static_cast<T>(static_cast<float>(a) + static_cast<float>(b));
}

// Sum as a binary tree of neighbours: (1+2)+(3+4) ... ("ReduceDataBlock", how it adds). Lanes that
// are off are left out of the tree (inferred: the pages show full blocks only).
template <typename T>
T tree_sum(const RepeatLanes<T>& lanes, int first, int count) {
  T values[RepeatLanes<T>::kLanes];
  bool present[RepeatLanes<T>::kLanes];
  for (int l = 0; l < count; ++l) {
    values[l] = lanes.values[first + l];
    present[l] = lanes.on(first + l);
  }
  for (; count > 1; count /= 2) {
    for (int l = 0; l < count / 2; ++l) {
      const bool a = present[2 * l], b = present[2 * l + 1];
      values[l] =
          a && b ? rounded_sum(values[2 * l], values[2 * l + 1]) : values[2 * l + (a ? 0 : 1)];
      present[l] = a || b;
    }
  }
  return values[0];
}

template <typename T, int kCount>
T tree_sum_all(const T* lanes) {
  if constexpr (kCount == 1) {
    return lanes[0];
  } else {
    return rounded_sum(tree_sum_all<T, kCount / 2>(lanes),
                       tree_sum_all<T, kCount / 2>(lanes + kCount / 2));
  }
}

// Lane of the maximum or minimum, the first of equal ones ("ReduceRepeat", constraints). A NaN wins
// ("Memory矢量计算接口边界值汇总", tables 33 to 40); that its index is the first NaN's is inferred.
template <typename T>
int extreme_lane(ReduceOp op, const RepeatLanes<T>& lanes, int first, int count) {
  int best = -1;
  float held = 0;
  for (int l = first; l < first + count; ++l) {
    if (!lanes.on(l)) continue;
    const auto value = static_cast<float>(lanes.values[l]);
    if (value != value) return l;
    if (best < 0 || (op == ReduceOp::kMax ? value > held : value < held)) {
      best = l;
      held = value;
    }
  }
  return best;
}

// The value alone, all lanes on: no branches.
template <typename T, int kCount>
T extreme_all(ReduceOp op, const T* lanes) {
  T best = lanes[0];
  for (int l = 1; l < kCount; ++l) {
    const T value = lanes[l];
    const bool better = op == ReduceOp::kMax ? value > best : value < best;
    best = (better || value != value) && best == best ? value : best;
  }
  return best;
}

}  // namespace ascsim
