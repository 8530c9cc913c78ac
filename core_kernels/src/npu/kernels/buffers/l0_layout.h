#pragma once

// Places in L0, in bytes.

#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

struct L0Layout {
  static constexpr int32_t kSlots = 2;  // of operands
  static constexpr int32_t kTileBytes = kTile * kTile * 2;
  static_assert(kSlots * kTileBytes <= Arch::kL0aBytes);
  static_assert(kSlots * kTileBytes <= Arch::kL0bBytes);
  static constexpr int32_t kAccumulators = 2;
  static constexpr int32_t kAccumulatorBytes = kTile * kTile * 4;
  static_assert(kAccumulators * kAccumulatorBytes <= Arch::kL0cBytes);
};

}  // namespace fa::npu
