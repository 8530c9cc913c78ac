#pragma once

// GM to UB and back: `count` rows of `columns` elements, `gm_stride` elements from row to row in
// GM, `pitch` in UB (whole blocks). One copy where the distance fits its field.

#include "kernel_operator.h"
#include "npu/kernels/arch.h"

namespace fa::npu {

struct RowCopy {
  int32_t count;
  int32_t columns;
  int64_t gm_stride;
  int32_t pitch;
};

template <typename E>
struct RowCopyParams {
  static constexpr int32_t kPerBlock = Arch::kBlockBytes / static_cast<int32_t>(sizeof(E));

  __aicore__ inline explicit RowCopyParams(const RowCopy& rows) {
    const int64_t gap = (rows.gm_stride - rows.columns) * static_cast<int64_t>(sizeof(E));
    whole = rows.count == 1 || (gap >= 0 && gap <= UINT32_MAX);
    const bool strided = whole && rows.count > 1;
    const int32_t used = (rows.columns + kPerBlock - 1) / kPerBlock;
    gm_gap = static_cast<uint32_t>(strided ? gap : 0);
    ub_gap = static_cast<uint32_t>(strided ? rows.pitch / kPerBlock - used : 0);
    params.blockCount = static_cast<uint16_t>(whole ? rows.count : 1);
    params.blockLen = static_cast<uint32_t>(rows.columns) * sizeof(E);
  }

  bool whole;
  uint32_t gm_gap, ub_gap;
  AscendC::DataCopyExtParams params;
};

// Elements behind the last column, up to a whole block, become 0.
template <typename E>
__aicore__ inline AscendC::DataCopyPadExtParams<E> zeros_behind(int32_t columns) {
  constexpr int32_t kPerBlock = Arch::kBlockBytes / static_cast<int32_t>(sizeof(E));
  AscendC::DataCopyPadExtParams<E> padding;
  padding.isPad = true;
  padding.rightPadding = static_cast<uint8_t>((kPerBlock - columns % kPerBlock) % kPerBlock);
  padding.paddingValue = E(0);
  return padding;
}

template <typename E>
__aicore__ inline void load_rows(const AscendC::LocalTensor<E>& to,
                                 const AscendC::GlobalTensor<E>& from, const RowCopy& rows) {
  RowCopyParams<E> copy(rows);
  copy.params.srcStride = copy.gm_gap;
  copy.params.dstStride = copy.ub_gap;
  const AscendC::DataCopyPadExtParams<E> padding = zeros_behind<E>(rows.columns);
  if (copy.whole) return AscendC::DataCopyPad(to, from, copy.params, padding);
  for (int32_t row = 0; row < rows.count; ++row) {
    AscendC::DataCopyPad(to[static_cast<uint32_t>(row * rows.pitch)],
                         from[static_cast<uint64_t>(row * rows.gm_stride)], copy.params, padding);
  }
}

template <typename E>
__aicore__ inline void store_rows(const AscendC::GlobalTensor<E>& to,
                                  const AscendC::LocalTensor<E>& from, const RowCopy& rows) {
  RowCopyParams<E> copy(rows);
  copy.params.srcStride = copy.ub_gap;
  copy.params.dstStride = copy.gm_gap;
  if (copy.whole) return AscendC::DataCopyPad(to, from, copy.params);
  for (int32_t row = 0; row < rows.count; ++row) {
    AscendC::DataCopyPad(to[static_cast<uint64_t>(row * rows.gm_stride)],
                         from[static_cast<uint32_t>(row * rows.pitch)], copy.params);
  }
}

}  // namespace fa::npu
