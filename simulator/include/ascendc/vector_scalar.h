// Instructions with a tensor and a scalar: Adds, Muls, Maxs, Mins, LeakyRelu, shifts, Axpy.
#pragma once

#include "ascendc/vector_params.h"

namespace AscendC {

namespace detail {

template <typename T, typename U>
void with_scalar(ascsim::ScalarOp op, const LocalTensor<T>& dst, const LocalTensor<U>& src,
                 const U& scalar, const ascsim::Lanes& lanes, const UnaryRepeatParams& p,
                 Site site) {
  ascsim::vector_scalar(op, dst.operand(), src.operand(), bits_of_scalar(scalar), lanes,
                        dst_steps(p), src_steps(p), site);
}

constexpr ascsim::ScalarOp shift_right(bool round) {
  return round ? ascsim::ScalarOp::kShiftRightRound : ascsim::ScalarOp::kShiftRight;
}

}  // namespace detail

#define ASCSIM_SCALAR(Name, op)                                                                   \
  template <typename T, bool isSetMask = true>                                                    \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, uint64_t mask, \
            Narrow<uint8_t> repeat, const UnaryRepeatParams& params, Site site = Site::here()) {  \
    detail::with_scalar(op, dst, src, scalar, detail::lanes_of(mask, repeat.given(), isSetMask),  \
                        params, site);                                                            \
  }                                                                                               \
  template <typename T, bool isSetMask = true>                                                    \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,                \
            uint64_t mask[], Narrow<uint8_t> repeat, const UnaryRepeatParams& params,             \
            Site site = Site::here()) {                                                           \
    detail::with_scalar(op, dst, src, scalar, detail::lanes_of(mask, repeat.given(), isSetMask),  \
                        params, site);                                                            \
  }                                                                                               \
  template <typename T, bool isSetMask = true>                                                    \
  void Name(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar, int32_t count, \
            Site site = Site::here()) {                                                           \
    detail::with_scalar(op, dst, src, scalar, detail::lanes_of_elements(count, isSetMask),        \
                        UnaryRepeatParams(), site);                                               \
  }

ASCSIM_SCALAR(Adds, ascsim::ScalarOp::kAdds)
ASCSIM_SCALAR(Muls, ascsim::ScalarOp::kMuls)
ASCSIM_SCALAR(Maxs, ascsim::ScalarOp::kMaxs)
ASCSIM_SCALAR(Mins, ascsim::ScalarOp::kMins)
ASCSIM_SCALAR(LeakyRelu, ascsim::ScalarOp::kLeakyRelu)
ASCSIM_SCALAR(ShiftLeft, ascsim::ScalarOp::kShiftLeft)
#undef ASCSIM_SCALAR

template <typename T, bool isSetMask = true>
void ShiftRight(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
                uint64_t mask, Narrow<uint8_t> repeat, const UnaryRepeatParams& params,
                bool roundEn = false, Site site = Site::here()) {
  detail::with_scalar(detail::shift_right(roundEn), dst, src, scalar,
                      detail::lanes_of(mask, repeat.given(), isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void ShiftRight(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
                uint64_t mask[], Narrow<uint8_t> repeat, const UnaryRepeatParams& params,
                bool roundEn = false, Site site = Site::here()) {
  detail::with_scalar(detail::shift_right(roundEn), dst, src, scalar,
                      detail::lanes_of(mask, repeat.given(), isSetMask), params, site);
}
template <typename T, bool isSetMask = true>
void ShiftRight(const LocalTensor<T>& dst, const LocalTensor<T>& src, const T& scalar,
                int32_t count, Site site = Site::here()) {
  detail::with_scalar(ascsim::ScalarOp::kShiftRight, dst, src, scalar,
                      detail::lanes_of_elements(count, isSetMask), UnaryRepeatParams(), site);
}

template <typename T, typename U, bool isSetMask = true>
void Axpy(const LocalTensor<T>& dst, const LocalTensor<U>& src, const U& scalar, uint64_t mask,
          Narrow<uint8_t> repeat, const UnaryRepeatParams& params, Site site = Site::here()) {
  detail::with_scalar(ascsim::ScalarOp::kAxpy, dst, src, scalar,
                      detail::lanes_of(mask, repeat.given(), isSetMask), params, site);
}
template <typename T, typename U, bool isSetMask = true>
void Axpy(const LocalTensor<T>& dst, const LocalTensor<U>& src, const U& scalar, uint64_t mask[],
          Narrow<uint8_t> repeat, const UnaryRepeatParams& params, Site site = Site::here()) {
  detail::with_scalar(ascsim::ScalarOp::kAxpy, dst, src, scalar,
                      detail::lanes_of(mask, repeat.given(), isSetMask), params, site);
}
template <typename T, typename U>
void Axpy(const LocalTensor<T>& dst, const LocalTensor<U>& src, const U& scalar, int32_t count,
          Site site = Site::here()) {
  detail::with_scalar(ascsim::ScalarOp::kAxpy, dst, src, scalar, detail::lanes_of_elements(count),
                      detail::packed<T, U>(), site);
}

}  // namespace AscendC
