#pragma once

// Places of the combine kernel in UB, and its tensors.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

struct CombineLayout {
  static constexpr int32_t kSlots = 2;
  static constexpr int32_t kFloat = 4;
  static constexpr int32_t kRows = 64;  // of a block, at most
  static constexpr int32_t kMaxSplits = 256;
  static constexpr int32_t kPartialElements = 8192;  // of the outputs of a block
  static constexpr int32_t kLseElements = kMaxSplits * Arch::kBlockLanes;

  static constexpr int32_t kPartial = 0;
  static constexpr int32_t kOut = kPartial + kSlots * kPartialElements * kFloat;
  static constexpr int32_t kLsePartial = kOut + kPartialElements * kFloat;
  static constexpr int32_t kSpread = kLsePartial + kLseElements * kFloat;
  static constexpr int32_t kTop = kSpread + kRows * Arch::kBlockBytes;
  static constexpr int32_t kTotal = kTop + kRows * kFloat;
  static constexpr int32_t kDivisor = kTotal + kRows * kFloat;
  static constexpr int32_t kBits = kDivisor + kRows * kFloat;
  static constexpr int32_t kEnd = kBits + kLseElements / 8;
  static_assert(kEnd <= Arch::kUbBytes);
  // Eight rows at least, of all splits and of any value dim.
  static_assert(kPartialElements >= Arch::kBlockLanes * kMaxCombinedDim);
};

struct CombineBuffers {
  using Layout = CombineLayout;

  __aicore__ inline CombineBuffers() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      place_in_ub(partial[slot],
                  Layout::kPartial + slot * Layout::kPartialElements * Layout::kFloat,
                  Layout::kPartialElements);
    }
    place_in_ub(out, Layout::kOut, Layout::kPartialElements);
    place_in_ub(lse_partial, Layout::kLsePartial, Layout::kLseElements);
    place_in_ub(spread, Layout::kSpread, Layout::kRows * Arch::kBlockLanes);
    place_in_ub(top, Layout::kTop, Layout::kRows);
    place_in_ub(total, Layout::kTotal, Layout::kRows);
    place_in_ub(divisor, Layout::kDivisor, Layout::kRows);
    place_in_ub(bits, Layout::kBits, Layout::kLseElements / 8);
  }

  // In place of `out`.
  template <typename T>
  __aicore__ inline AscendC::LocalTensor<T> rounded_out() const {
    return out.template ReinterpretCast<T>();
  }

  AscendC::LocalTensor<float> partial[Layout::kSlots];  // [rows, value pitch]
  AscendC::LocalTensor<float> out;                      // [rows, value pitch]
  AscendC::LocalTensor<float> lse_partial;              // [splits, rows], then weights
  AscendC::LocalTensor<float> spread;                   // [rows, 8]
  AscendC::LocalTensor<float> top, total, divisor;
  AscendC::LocalTensor<uint8_t> bits;
};

}  // namespace fa::npu
