// DataCopy: blocks of 32 bytes between GM, UB and L1, UB to UB, and L1 to BT and FB.
#pragma once

#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_move.h"

namespace AscendC {

// Units of 32 bytes; gaps from the end of a block to the start of the next.
struct DataCopyParams {
  Narrow<uint16_t> blockCount = 1, blockLen = 0;
  union {
    Narrow<uint16_t> srcStride = 0;
    Narrow<uint16_t> srcGap;
  };
  union {
    Narrow<uint16_t> dstStride = 0;
    Narrow<uint16_t> dstGap;
  };

  DataCopyParams() {}
  DataCopyParams(Narrow<uint16_t> count, Narrow<uint16_t> length, Narrow<uint16_t> src,
                 Narrow<uint16_t> dst)
      : blockCount(count), blockLen(length), srcStride(src), dstStride(dst) {}
};

namespace detail {

inline ascsim::CopyFields copy_fields(const DataCopyParams& p) {
  return {p.blockCount.given(), p.blockLen.given(), p.srcStride.given(), p.dstStride.given()};
}

}  // namespace detail

template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), detail::copy_fields(params), src.cached(), site);
}
template <typename T>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), detail::copy_fields(params), dst.cached(), site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const LocalTensor<T>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), detail::copy_fields(params), true, site);
}
// L1 to BT with half as float.
template <typename T, typename U, typename = std::enable_if_t<!std::is_same_v<T, U>>>
void DataCopy(const LocalTensor<T>& dst, const LocalTensor<U>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), detail::copy_fields(params), true, site);
}

template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, uint32_t count,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), static_cast<int64_t>(count), src.cached(), site);
}
template <typename T>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src, uint32_t count,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), static_cast<int64_t>(count), dst.cached(), site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint32_t count,
              Site site = Site::here()) {
  ascsim::data_copy(dst.operand(), src.operand(), static_cast<int64_t>(count), true, site);
}

}  // namespace AscendC
