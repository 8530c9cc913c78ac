#pragma once

// Places in L1, in bytes.

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
  static constexpr int32_t kStackTiles = Stack<Config>::kTiles;
  static constexpr int32_t kGroupTiles = (kStackTiles + 1) / kSlots;

  static constexpr int32_t kQueryBytes = TaskRows<Config>::kCube * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kKeyBytes = kTile * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kValueBytes =
      kTile * lesser(kTile, Config::kValueDim) * kElementBytes;  // of a tile
  static constexpr bool kProbsStay = OutputShape<Config>::kProbsStay;
  static constexpr int32_t kStayTileBytes = kProbsStay ? kTileBytes : kValueBytes;
  static constexpr int32_t kStayBytes = kGroupTiles * kStayTileBytes;
  // Rows of probabilities that are longer than a tile's are loaded faster, see docs/kernels.
  static constexpr int32_t kStreamTiles = kProbsStay ? 1 : 2;
  static constexpr int32_t kStreamBytes = kStreamTiles * (kProbsStay ? kValueBytes : kTileBytes);

  static constexpr int32_t kKeys = 0;
  static constexpr int32_t kStay = kKeys + kSlots * kKeyBytes;
  static constexpr int32_t kStream = kStay + kStackTiles * kStayTileBytes;
  static constexpr int32_t kQuery = kStream + kSlots * kStreamBytes;
  // Two if they fit, so that those of a task come while the last one is not finished.
  static constexpr int32_t kQuerySlots =
      kQuery + kSlots * kQueryBytes <= Arch::kL1Bytes ? kSlots : 1;
  static constexpr int32_t kEnd = kQuery + kQuerySlots * kQueryBytes;
  static_assert(kEnd <= Arch::kL1Bytes);
};

}  // namespace fa::npu
