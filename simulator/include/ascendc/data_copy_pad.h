// DataCopyPad: blocks of any number of bytes between GM and UB, padded to 32 bytes in UB.
#pragma once

#include <cstring>

#include "ascendc/data_copy.h"

namespace AscendC {

// Length in bytes; stride in bytes on the side of GM, in blocks of 32 bytes on that of UB.
struct DataCopyExtParams {
  Narrow<uint16_t> blockCount = 1;
  Narrow<uint32_t> blockLen = 0, srcStride = 0, dstStride = 0, rsv = 0;

  DataCopyExtParams() = default;
  DataCopyExtParams(Narrow<uint16_t> count, Narrow<uint32_t> length, Narrow<uint32_t> src,
                    Narrow<uint32_t> dst, Narrow<uint32_t> reserved)
      : blockCount(count), blockLen(length), srcStride(src), dstStride(dst), rsv(reserved) {}
};

template <typename T>
struct DataCopyPadExtParams {
  bool isPad = false;
  Narrow<uint8_t> leftPadding = 0, rightPadding = 0;
  T paddingValue = static_cast<T>(0);

  DataCopyPadExtParams() = default;
  DataCopyPadExtParams(bool pad, Narrow<uint8_t> left, Narrow<uint8_t> right, T value)
      : isPad(pad), leftPadding(left), rightPadding(right), paddingValue(value) {}
};

struct DataCopyPadParams {
  bool isPad = false;
  Narrow<uint8_t> leftPadding = 0, rightPadding = 0;
  uint64_t paddingValue = 0;

  DataCopyPadParams() = default;
  DataCopyPadParams(bool pad, Narrow<uint8_t> left, Narrow<uint8_t> right, uint64_t value)
      : isPad(pad), leftPadding(left), rightPadding(right), paddingValue(value) {}
};

namespace detail {

inline ascsim::CopyFields copy_fields(const DataCopyExtParams& p) {
  return {p.blockCount.given(), p.blockLen.given(), p.srcStride.given(), p.dstStride.given()};
}

template <typename T>
uint64_t value_bits(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

}  // namespace detail

template <typename T, typename U>
void DataCopyPad(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                 const DataCopyExtParams& params, const DataCopyPadExtParams<U>& pad,
                 Site site = Site::here()) {
  static_assert(sizeof(T) == sizeof(U), "the padding value has the size of an element");
  const ascsim::PadFields fields = {pad.isPad, pad.leftPadding.given(), pad.rightPadding.given(),
                                    detail::value_bits(pad.paddingValue)};
  ascsim::data_copy_pad_in(dst.operand(), src.operand(), detail::copy_fields(params), fields,
                           ascsim::PadWidth::kExtended, src.cached(), site);
}
template <typename T>
void DataCopyPad(const LocalTensor<T>& dst, const GlobalTensor<T>& src,
                 const DataCopyParams& params, const DataCopyPadParams& pad,
                 Site site = Site::here()) {
  const ascsim::PadFields fields = {pad.isPad, pad.leftPadding.given(), pad.rightPadding.given(),
                                    pad.paddingValue};
  ascsim::data_copy_pad_in(dst.operand(), src.operand(), detail::copy_fields(params), fields,
                           ascsim::PadWidth::kShort, src.cached(), site);
}
template <typename T>
void DataCopyPad(const GlobalTensor<T>& dst, const LocalTensor<T>& src,
                 const DataCopyExtParams& params, Site site = Site::here()) {
  ascsim::data_copy_pad_out(dst.operand(), src.operand(), detail::copy_fields(params),
                            ascsim::PadWidth::kExtended, dst.cached(), site);
}
template <typename T>
void DataCopyPad(const GlobalTensor<T>& dst, const LocalTensor<T>& src,
                 const DataCopyParams& params, Site site = Site::here()) {
  ascsim::data_copy_pad_out(dst.operand(), src.operand(), detail::copy_fields(params),
                            ascsim::PadWidth::kShort, dst.cached(), site);
}

template <typename T, TPosition position = TPosition::MAX>
void SetPadValue(T value, Site site = Site::here()) {
  ascsim::set_pad_value(detail::value_bits(value), site);
}

}  // namespace AscendC
