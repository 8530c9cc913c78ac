#pragma once

// Places in L1, in bytes.

#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

// Output is a product of probabilities and values, in passes over blocks of rows. Values, which all
// passes need, stay in L1 for the unit; probabilities stream through.
template <typename Config>
struct CubeLayout {
  static_assert(Config::kValueDim <= kTile);  // else MlaLayout
  static constexpr int32_t kElementBytes = 2;
  static constexpr int32_t kSlots = 2;
  static constexpr int32_t kTileBytes = kTile * kTile * kElementBytes;
  static constexpr int32_t kStackTiles = Stack<Config>::kTiles;

  static constexpr int32_t kQueryBytes = TaskRows<Config>::kCube * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kKeyBytes = kTile * Config::kHeadDim * kElementBytes;
  static constexpr int32_t kValueBytes = kTile * Config::kValueDim * kElementBytes;  // of a tile
  // Rows of probabilities that are longer than a tile's are loaded faster, see docs/kernels.
  static constexpr int32_t kStreamPair = 2;
  static constexpr int32_t kRoom =
      Arch::kL1Bytes - kSlots * kKeyBytes - kStackTiles * kValueBytes - kQueryBytes;
  static constexpr int32_t kStreamTiles =
      kSlots * kStreamPair * kTileBytes <= kRoom ? kStreamPair : 1;
  static constexpr int32_t kStreamBytes = kStreamTiles * kTileBytes;

  static constexpr int32_t kKeys = 0;
  static constexpr int32_t kValues = kKeys + kSlots * kKeyBytes;
  static constexpr int32_t kStream = kValues + kStackTiles * kValueBytes;
  static constexpr int32_t kQuery = kStream + kSlots * kStreamBytes;
  // Two if they fit, so that those of a task come while the last one is not finished.
  static constexpr int32_t kQuerySlots =
      kQuery + kSlots * kQueryBytes <= Arch::kL1Bytes ? kSlots : 1;
  static constexpr int32_t kEnd = kQuery + kQuerySlots * kQueryBytes;
  static_assert(kEnd <= Arch::kL1Bytes);
};

}  // namespace fa::npu
