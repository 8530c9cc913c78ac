#pragma once

// Places in L1 and L0, in bytes.

#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

template <typename Config>
struct CubeLayout {
  static constexpr int32_t kElementBytes = 2;
  static constexpr int32_t kSlots = 2;
  static constexpr int32_t kTileBytes = kTile * kTile * kElementBytes;
  // The values of a stack stay for all rows of the task; they come and go in groups.
  static constexpr int32_t kValueTiles = kStackKeys / kTile;
  static constexpr int32_t kGroupTiles = kValueTiles / kSlots;
  static constexpr int32_t kQueryBytes = TaskRows<Config>::kCube * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kKeyBytes = kTile * Config::kHeadDim * kElementBytes;

  static constexpr int32_t kQuery = 0;
  static constexpr int32_t kKeys = kQuery + kSlots * kQueryBytes;
  static constexpr int32_t kValues = kKeys + kSlots * kKeyBytes;
  static constexpr int32_t kProbs = kValues + kValueTiles * kTileBytes;
  static constexpr int32_t kEnd = kProbs + kSlots * kTileBytes;
  static_assert(kEnd <= Arch::kL1Bytes);

  static constexpr int32_t kAccumulatorBytes = kTile * kTile * 4;
  static_assert(kSlots * kTileBytes <= Arch::kL0aBytes);
  static_assert(kSlots * kTileBytes <= Arch::kL0bBytes);
  static_assert(kSlots * kAccumulatorBytes <= Arch::kL0cBytes);
};

}  // namespace fa::npu
