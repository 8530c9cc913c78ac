// Add, Sub, Mul, Div, Max, Min, And, Or of two tensors.
#pragma once

#include "ascendc/narrow.h"
#include "ascendc/tensor.h"
#include "ascsim/ops_vector.h"

namespace AscendC {

struct BinaryRepeatParams {
  Narrow<uint8_t> dstBlkStride = 1, src0BlkStride = 1, src1BlkStride = 1;
  Narrow<uint8_t> dstRepStride = 8, src0RepStride = 8, src1RepStride = 8;

  BinaryRepeatParams() = default;
  BinaryRepeatParams(Narrow<uint8_t> dst_block, Narrow<uint8_t> src0_block,
                     Narrow<uint8_t> src1_block, Narrow<uint8_t> dst_repeat,
                     Narrow<uint8_t> src0_repeat, Narrow<uint8_t> src1_repeat)
      : dstBlkStride(dst_block),
        src0BlkStride(src0_block),
        src1BlkStride(src1_block),
        dstRepStride(dst_repeat),
        src0RepStride(src0_repeat),
        src1RepStride(src1_repeat) {}
};

namespace detail {

template <typename T>
ascsim::Lanes lanes_of_count(uint64_t mask, int64_t repeats, bool own) {
  ascsim::Lanes lanes;
  lanes.repeats = repeats;
  lanes.own_mask = own;
  const auto ones = [](uint64_t n) { return n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; };
  lanes.leading = own;
  lanes.low = ones(mask);
  lanes.high = mask > 64 ? ones(mask - 64) : 0;
  return lanes;
}

inline ascsim::Lanes lanes_of_bits(const uint64_t mask[], int64_t repeats, bool own) {
  ascsim::Lanes lanes;
  lanes.repeats = repeats;
  lanes.own_mask = own;
  lanes.low = mask[0];
  lanes.high = mask[1];
  return lanes;
}

inline ascsim::Lanes lanes_of_elements(int64_t count) {
  ascsim::Lanes lanes;
  lanes.counted = true;
  lanes.count = count;
  return lanes;
}

template <typename T>
void binary(ascsim::BinaryOp op, const LocalTensor<T>& dst, const LocalTensor<T>& a,
            const LocalTensor<T>& b, const ascsim::Lanes& lanes, const BinaryRepeatParams& p,
            Site site) {
  ascsim::vector_binary(op, dst.operand(), a.operand(), b.operand(), lanes,
                        {p.dstBlkStride.given(), p.dstRepStride.given()},
                        {p.src0BlkStride.given(), p.src0RepStride.given()},
                        {p.src1BlkStride.given(), p.src1RepStride.given()}, site);
}

}  // namespace detail

#define ASCSIM_BINARY(Name, op)                                                                  \
  template <typename T, bool isSetMask = true>                                                   \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,   \
            uint64_t mask, Narrow<uint8_t> repeat, const BinaryRepeatParams& params,                     \
            Site site = Site::here()) {                                                          \
    detail::binary(op, dst, src0, src1, detail::lanes_of_count<T>(mask, repeat.given(), isSetMask),      \
                   params, site);                                                                \
  }                                                                                              \
  template <typename T, bool isSetMask = true>                                                   \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,   \
            uint64_t mask[], Narrow<uint8_t> repeat, const BinaryRepeatParams& params,                   \
            Site site = Site::here()) {                                                          \
    detail::binary(op, dst, src0, src1, detail::lanes_of_bits(mask, repeat.given(), isSetMask), params,  \
                   site);                                                                        \
  }                                                                                              \
  template <typename T>                                                                          \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,   \
            int32_t count, Site site = Site::here()) {                                           \
    detail::binary(op, dst, src0, src1, detail::lanes_of_elements(count), BinaryRepeatParams(),  \
                   site);                                                                        \
  }

ASCSIM_BINARY(Add, ascsim::BinaryOp::kAdd)
ASCSIM_BINARY(Sub, ascsim::BinaryOp::kSub)
ASCSIM_BINARY(Mul, ascsim::BinaryOp::kMul)
ASCSIM_BINARY(Div, ascsim::BinaryOp::kDiv)
ASCSIM_BINARY(Max, ascsim::BinaryOp::kMax)
ASCSIM_BINARY(Min, ascsim::BinaryOp::kMin)
ASCSIM_BINARY(And, ascsim::BinaryOp::kAnd)
ASCSIM_BINARY(Or, ascsim::BinaryOp::kOr)
#undef ASCSIM_BINARY

}  // namespace AscendC
