#pragma once

// Places of the mla kernels in L1, in bytes: queries of a task, probabilities of 128 rows of a
// unit, and a ring of pieces of keys and values, which come and go in the order of their use.

#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

template <typename Config>
struct MlaLayout {
  static constexpr int32_t kElementBytes = 2;
  static constexpr int32_t kRows = TaskRows<Config>::kCube;

  // Rows of a piece are lines of L2: a shorter one takes hardly less time to come.
  static constexpr int32_t kPieceColumns = 256;
  static constexpr int32_t kPieceKeys = kTile / 2;
  static constexpr int32_t kPieceBytes = kPieceKeys * kPieceColumns * kElementBytes;
  static constexpr int32_t kPieces = 6;  // an event each

  static constexpr int32_t kProbGroups = 2;  // of the tiles of a unit
  static constexpr int32_t kGroupKeys = Stack<Config>::kKeys / kProbGroups;
  static constexpr int32_t kProbGroupBytes = kTile * kGroupKeys * kElementBytes;

  static constexpr int32_t kQuery = 0;
  static constexpr int32_t kQueryBytes = kRows * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kProbs = kQuery + kQueryBytes;
  static constexpr int32_t kRing = kProbs + kProbGroups * kProbGroupBytes;
  static constexpr int32_t kEnd = kRing + kPieces * kPieceBytes;
  static_assert(kEnd <= Arch::kL1Bytes);
};

}  // namespace fa::npu
