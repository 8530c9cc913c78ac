#pragma once

// Places of the append kernel in UB, and its tensors.

#include "kernel_operator.h"
#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

struct AppendLayout {
  static constexpr int32_t kFloat = 4;
  static constexpr int32_t kHalf = 2;
  static constexpr int32_t kMaxDim = 512;
  static constexpr int32_t kRowElements = 8192;  // of the heads that are worked on at a time
  static constexpr int32_t kMaxHeads = 64;       // of these

  static constexpr int32_t kRows = 0;
  static constexpr int32_t kWide = kRows + kRowElements * kHalf;
  static constexpr int32_t kPartner = kWide + kRowElements * kFloat;
  static constexpr int32_t kCosRow = kPartner + kRowElements * kFloat;
  static constexpr int32_t kSinRow = kCosRow + kMaxDim * kHalf;
  static constexpr int32_t kCosHalf = kSinRow + kMaxDim * kHalf;
  static constexpr int32_t kSinHalf = kCosHalf + kMaxDim * kFloat;
  static constexpr int32_t kCos = kSinHalf + kMaxDim * kFloat;
  static constexpr int32_t kSin = kCos + kMaxDim * kFloat;
  static constexpr int32_t kSign = kSin + kMaxDim * kFloat;
  static constexpr int32_t kPairAt = kSign + kMaxDim * kFloat;
  static constexpr int32_t kPartnerAt = kPairAt + kMaxDim * kFloat;
  static constexpr int32_t kEnd = kPartnerAt + kMaxDim * kFloat;
  static_assert(kEnd <= Arch::kUbBytes);
};

template <typename T>
struct AppendBuffers {
  using Layout = AppendLayout;

  __aicore__ inline AppendBuffers() {
    place_in_ub(rows, Layout::kRows, Layout::kRowElements);
    place_in_ub(wide, Layout::kWide, Layout::kRowElements);
    place_in_ub(partner, Layout::kPartner, Layout::kRowElements);
    place_in_ub(codes, Layout::kPartner, Layout::kRowElements);
    place_in_ub(cos_row, Layout::kCosRow, Layout::kMaxDim);
    place_in_ub(sin_row, Layout::kSinRow, Layout::kMaxDim);
    place_in_ub(cos_half, Layout::kCosHalf, Layout::kMaxDim);
    place_in_ub(sin_half, Layout::kSinHalf, Layout::kMaxDim);
    place_in_ub(cos, Layout::kCos, Layout::kMaxDim);
    place_in_ub(sin, Layout::kSin, Layout::kMaxDim);
    place_in_ub(sign, Layout::kSign, Layout::kMaxDim);
    place_in_ub(pair_at, Layout::kPairAt, Layout::kMaxDim);
    place_in_ub(partner_at, Layout::kPartnerAt, Layout::kMaxDim);
  }

  AscendC::LocalTensor<T> rows;               // [heads, pitch], as they come and go
  AscendC::LocalTensor<float> wide, partner;  // in fp32; each element's partner in its pair
  AscendC::LocalTensor<int8_t> codes;         // [heads, pitch], in place of partner
  AscendC::LocalTensor<T> cos_row, sin_row;   // of a position, one per pair
  AscendC::LocalTensor<float> cos_half, sin_half;
  AscendC::LocalTensor<float> cos, sin;                // one per element, sin with its sign
  AscendC::LocalTensor<float> sign;                    // -1 for the first of a pair, else 1
  AscendC::LocalTensor<uint32_t> pair_at, partner_at;  // bytes from the begin of a row
};

}  // namespace fa::npu
