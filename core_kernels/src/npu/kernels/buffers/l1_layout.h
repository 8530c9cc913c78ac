#pragma once

// Places in L1 and L0, in bytes.

#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

// Output is a product of probabilities and values, in passes: over blocks of rows, or over blocks
// of the value dim's columns. What all passes need stays in L1 for the unit and comes in groups of
// tiles; the other operand streams through, tile by tile.
template <typename Config>
struct OutputShape {
  static constexpr int32_t kRowBlocks = TaskRows<Config>::kCube / kTile;
  static constexpr int32_t kColumnBlocks = (Config::kValueDim + kTile - 1) / kTile;
  static_assert(kRowBlocks == 1 || kColumnBlocks == 1);
  static constexpr bool kProbsStay = kColumnBlocks > 1;
};

template <typename Config>
struct CubeLayout {
  static constexpr int32_t kElementBytes = 2;
  static constexpr int32_t kSlots = 2;
  static constexpr int32_t kTileBytes = kTile * kTile * kElementBytes;
  static constexpr int32_t kStackTiles = kStackKeys / kTile;
  static constexpr int32_t kGroupTiles = kStackTiles / kSlots;

  static constexpr int32_t kQueryBytes = TaskRows<Config>::kCube * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kKeyBytes = kTile * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kValueBytes =
      kTile * lesser(kTile, Config::kValueDim) * kElementBytes;  // of a tile
  static constexpr bool kProbsStay = OutputShape<Config>::kProbsStay;
  static constexpr int32_t kStayBytes = kGroupTiles * (kProbsStay ? kTileBytes : kValueBytes);
  // Rows of probabilities that are longer than a tile's are loaded faster, see docs/kernels.
  static constexpr int32_t kStreamTiles = kProbsStay ? 1 : kGroupTiles;
  static constexpr int32_t kStreamBytes = kStreamTiles * (kProbsStay ? kValueBytes : kTileBytes);

  static constexpr int32_t kQuery = 0;
  static constexpr int32_t kKeys = kQuery + kSlots * kQueryBytes;
  static constexpr int32_t kStay = kKeys + kSlots * kKeyBytes;
  static constexpr int32_t kStream = kStay + kSlots * kStayBytes;
  static constexpr int32_t kEnd = kStream + kSlots * kStreamBytes;
  static_assert(kEnd <= Arch::kL1Bytes);

  static_assert(kSlots * kTileBytes <= Arch::kL0aBytes);
  static_assert(kSlots * kTileBytes <= Arch::kL0bBytes);
  static constexpr int32_t kAccumulatorBytes = kTile * kTile * 4;  // one of scores, one of output
  static_assert(2 * kAccumulatorBytes <= Arch::kL0cBytes);
};

}  // namespace fa::npu
