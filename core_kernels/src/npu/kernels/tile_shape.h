#pragma once

// How attention is cut up on one core, for a bucket of head dims.

#include <cstdint>

#include "kernel_operator.h"
#include "npu/kernels/arch.h"

namespace fa::npu {

inline constexpr int32_t kTile = 128;  // rows, keys and columns of a head dim in one product
// The cube is ahead by this many units, so that it has work while the vector cores do a softmax.
inline constexpr int32_t kUnitsAhead = 2;
inline constexpr int32_t kUnitsInFlight = kUnitsAhead + 1;

// Rows (query, head) of a task, at most. Each tile of keys that comes into L1 serves all of them;
// the output of a vector core's share has to fit into UB, beside what dropout needs.
template <typename Config>
struct TaskRows {
  static constexpr int32_t kLarge = Config::kExtras ? kTile : 224;  // of up to 256 values
  static constexpr int32_t kCube = Config::kValueDim <= kTile       ? 2 * kTile
                                   : Config::kValueDim <= 2 * kTile ? kLarge
                                                                    : kTile;
  static constexpr int32_t kVector = kCube / Arch::kVectorCores;
};

// Keys of a unit of work: a stack of tiles. The longer, the less often the output of all rows goes
// from the cube core to the vector cores; head dims of 192 leave no room for that in L1, extras at
// 128 none in UB.
template <typename Config>
struct Stack {
  static constexpr int32_t kLongest = Config::kExtras ? 64 : 128;  // head dim of the long ones
  static constexpr int32_t kTiles = Config::kHeadDim <= kLongest ? 8 : 4;
  static constexpr int32_t kKeys = kTiles * kTile;
};

// Rows that see few keys take shorter stacks, so that there are units enough to overlap.
inline constexpr int32_t kFewKeys = 1024;
inline constexpr int32_t kShortStackKeys = 4 * kTile;

// Units whose keys and values of an int8 cache are in the workspace, cast for the cube: those in
// flight, and the one that comes next.
inline constexpr int32_t kStackSlots = kUnitsInFlight + 1;

__aicore__ constexpr int32_t round_up(int32_t value, int32_t unit) {
  return (value + unit - 1) / unit * unit;
}
__aicore__ constexpr int32_t lesser(int32_t a, int32_t b) { return a < b ? a : b; }
__aicore__ constexpr int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }

// Elements from row to row of such a stack: whole blocks of codes.
__aicore__ constexpr int32_t stack_pitch(int32_t columns) {
  return round_up(columns, Arch::kBlockBytes);
}

}  // namespace fa::npu
