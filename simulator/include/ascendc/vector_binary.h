// Instructions with two source tensors: Add, Sub, Mul, Div, Max, Min, And, Or and compounds.
#pragma once

#include "ascendc/vector_params.h"

namespace AscendC {

namespace detail {

template <typename T, typename U>
void binary(ascsim::BinaryOp op, const LocalTensor<T>& dst, const LocalTensor<U>& a,
            const LocalTensor<U>& b, const ascsim::Lanes& lanes, const BinaryRepeatParams& p,
            Site site) {
  ascsim::vector_binary(op, dst.operand(), a.operand(), b.operand(), lanes,
                        {p.dstBlkStride.given(), p.dstRepStride.given()},
                        {p.src0BlkStride.given(), p.src0RepStride.given()},
                        {p.src1BlkStride.given(), p.src1RepStride.given()}, site);
}

}  // namespace detail

#define ASCSIM_BINARY(Name, op)                                                                    \
  template <typename T, bool isSetMask = true>                                                     \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,     \
            uint64_t mask, Narrow<uint8_t> repeat, const BinaryRepeatParams& params,               \
            Site site = Site::here()) {                                                            \
    detail::binary(op, dst, src0, src1, detail::lanes_of(mask, repeat.given(), isSetMask), params, \
                   site);                                                                          \
  }                                                                                                \
  template <typename T, bool isSetMask = true>                                                     \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,     \
            uint64_t mask[], Narrow<uint8_t> repeat, const BinaryRepeatParams& params,             \
            Site site = Site::here()) {                                                            \
    detail::binary(op, dst, src0, src1, detail::lanes_of(mask, repeat.given(), isSetMask), params, \
                   site);                                                                          \
  }                                                                                                \
  template <typename T>                                                                            \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src0, const LocalTensor<T>& src1,     \
            int32_t count, Site site = Site::here()) {                                             \
    detail::binary(op, dst, src0, src1, detail::lanes_of_elements(count), {}, site);               \
  }

ASCSIM_BINARY(Add, ascsim::BinaryOp::kAdd)
ASCSIM_BINARY(Sub, ascsim::BinaryOp::kSub)
ASCSIM_BINARY(Mul, ascsim::BinaryOp::kMul)
ASCSIM_BINARY(Div, ascsim::BinaryOp::kDiv)
ASCSIM_BINARY(Max, ascsim::BinaryOp::kMax)
ASCSIM_BINARY(Min, ascsim::BinaryOp::kMin)
ASCSIM_BINARY(And, ascsim::BinaryOp::kAnd)
ASCSIM_BINARY(Or, ascsim::BinaryOp::kOr)
ASCSIM_BINARY(AddRelu, ascsim::BinaryOp::kAddRelu)
ASCSIM_BINARY(SubRelu, ascsim::BinaryOp::kSubRelu)
ASCSIM_BINARY(FusedMulAdd, ascsim::BinaryOp::kFusedMulAdd)
ASCSIM_BINARY(MulAddRelu, ascsim::BinaryOp::kMulAddRelu)
ASCSIM_BINARY(FusedMulAddRelu, ascsim::BinaryOp::kMulAddRelu)
#undef ASCSIM_BINARY

template <typename T, typename U, bool isSetMask = true>
void MulAddDst(const LocalTensor<T>& dst, const LocalTensor<U>& src0, const LocalTensor<U>& src1,
               uint64_t mask, Narrow<uint8_t> repeat, const BinaryRepeatParams& params,
               Site site = Site::here()) {
  detail::binary(ascsim::BinaryOp::kMulAddDst, dst, src0, src1,
                 detail::lanes_of(mask, repeat.given(), isSetMask), params, site);
}
template <typename T, typename U, bool isSetMask = true>
void MulAddDst(const LocalTensor<T>& dst, const LocalTensor<U>& src0, const LocalTensor<U>& src1,
               const uint64_t mask[], Narrow<uint8_t> repeat, const BinaryRepeatParams& params,
               Site site = Site::here()) {
  detail::binary(ascsim::BinaryOp::kMulAddDst, dst, src0, src1,
                 detail::lanes_of(mask, repeat.given(), isSetMask), params, site);
}
template <typename T, typename U>
void MulAddDst(const LocalTensor<T>& dst, const LocalTensor<U>& src0, const LocalTensor<U>& src1,
               int32_t count, Site site = Site::here()) {
  const Narrow<uint8_t> src_repeat = detail::packed<T, U>().srcRepStride;
  detail::binary(ascsim::BinaryOp::kMulAddDst, dst, src0, src1, detail::lanes_of_elements(count),
                 {1, 1, 1, 8, src_repeat, src_repeat}, site);
}

}  // namespace AscendC
