// DataCopy and its relatives.
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

  DataCopyParams() = default;
  DataCopyParams(Narrow<uint16_t> count, Narrow<uint16_t> length, Narrow<uint16_t> src,
                 Narrow<uint16_t> dst)
      : blockCount(count), blockLen(length), srcStride(src), dstStride(dst) {}
};

namespace detail {

inline void copy(const ascsim::Operand& to, const ascsim::Operand& from, const DataCopyParams& p,
                 bool cached, Site site) {
  ascsim::Blocks blocks;
  blocks.blocks = p.blockCount.given();
  blocks.bytes = p.blockLen.given() * ascsim::kBlockBytes;
  blocks.from_gap = p.srcStride.given() * ascsim::kBlockBytes;
  blocks.to_gap = p.dstStride.given() * ascsim::kBlockBytes;
  ascsim::move_blocks(to, from, blocks, cached, site);
}

// The count form moves whole 32-byte blocks only: the rest is dropped.
inline DataCopyParams whole_blocks(ascsim::DType dtype, uint32_t count) {
  return {1, ascsim::bytes_of(dtype, count) / ascsim::kBlockBytes, 0, 0};
}

}  // namespace detail

template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  detail::copy(dst.operand(), src.operand(), params, src.cached(), site);
}
template <typename T>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  detail::copy(dst.operand(), src.operand(), params, dst.cached(), site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const LocalTensor<T>& src, const DataCopyParams& params,
              Site site = Site::here()) {
  detail::copy(dst.operand(), src.operand(), params, true, site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const GlobalTensor<T>& src, uint32_t count,
              Site site = Site::here()) {
  DataCopy(dst, src, detail::whole_blocks(dtype_of<T>(), count), site);
}
template <typename T>
void DataCopy(const GlobalTensor<T>& dst, const LocalTensor<T>& src, uint32_t count,
              Site site = Site::here()) {
  DataCopy(dst, src, detail::whole_blocks(dtype_of<T>(), count), site);
}
template <typename T>
void DataCopy(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint32_t count,
              Site site = Site::here()) {
  DataCopy(dst, src, detail::whole_blocks(dtype_of<T>(), count), site);
}

}  // namespace AscendC
