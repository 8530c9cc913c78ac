// Instructions with one source tensor: Abs, Relu, Exp, Ln, Sqrt, Rsqrt, Reciprocal, Not.
#pragma once

#include "ascendc/vector_params.h"

namespace AscendC {

namespace detail {

template <typename T>
void unary(ascsim::UnaryOp op, const LocalTensor<T>& dst, const LocalTensor<T>& src,
           const ascsim::Lanes& lanes, const UnaryRepeatParams& p, Site site) {
  ascsim::vector_unary(op, dst.operand(), src.operand(), lanes, dst_steps(p), src_steps(p), site);
}

}  // namespace detail

#define ASCSIM_UNARY(Name, op)                                                                    \
  template <typename T, bool isSetMask = true>                                                    \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask,                  \
            Narrow<uint8_t> repeat, const UnaryRepeatParams& params, Site site = Site::here()) {  \
    detail::unary(op, dst, src, detail::lanes_of(mask, repeat.given(), isSetMask), params, site); \
  }                                                                                               \
  template <typename T, bool isSetMask = true>                                                    \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, uint64_t mask[],                \
            Narrow<uint8_t> repeat, const UnaryRepeatParams& params, Site site = Site::here()) {  \
    detail::unary(op, dst, src, detail::lanes_of(mask, repeat.given(), isSetMask), params, site); \
  }                                                                                               \
  template <typename T>                                                                           \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, int32_t count,                  \
            Site site = Site::here()) {                                                           \
    detail::unary(op, dst, src, detail::lanes_of_elements(count), UnaryRepeatParams(), site);     \
  }

ASCSIM_UNARY(Abs, ascsim::UnaryOp::kAbs)
ASCSIM_UNARY(Relu, ascsim::UnaryOp::kRelu)
ASCSIM_UNARY(Exp, ascsim::UnaryOp::kExp)
ASCSIM_UNARY(Ln, ascsim::UnaryOp::kLn)
ASCSIM_UNARY(Sqrt, ascsim::UnaryOp::kSqrt)
ASCSIM_UNARY(Rsqrt, ascsim::UnaryOp::kRsqrt)
ASCSIM_UNARY(Reciprocal, ascsim::UnaryOp::kReciprocal)
ASCSIM_UNARY(Not, ascsim::UnaryOp::kNot)
#undef ASCSIM_UNARY

}  // namespace AscendC
