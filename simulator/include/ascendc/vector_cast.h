// Cast, and the scale that Cast from int32 to half needs.
#pragma once

#include "ascendc/vector_params.h"

namespace AscendC {

namespace detail {

template <typename T, typename U>
void cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, RoundMode mode,
          const ascsim::Lanes& lanes, const UnaryRepeatParams& p, Site site) {
  static_assert(static_cast<int>(RoundMode::CAST_ODD) == static_cast<int>(ascsim::Rounding::kOdd));
  ascsim::vector_cast(static_cast<ascsim::Rounding>(mode), dst.operand(), src.operand(), lanes,
                      dst_steps(p), src_steps(p), site);
}

}  // namespace detail

template <typename T, typename U, bool isSetMask = true>
void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, const RoundMode& roundMode,
          uint64_t mask, Narrow<uint8_t> repeat, const UnaryRepeatParams& params,
          Site site = Site::here()) {
  detail::cast(dst, src, roundMode, detail::lanes_of(mask, repeat.given(), isSetMask), params,
               site);
}
template <typename T, typename U, bool isSetMask = true>
void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, const RoundMode& roundMode,
          const uint64_t mask[], Narrow<uint8_t> repeat, const UnaryRepeatParams& params,
          Site site = Site::here()) {
  detail::cast(dst, src, roundMode, detail::lanes_of(mask, repeat.given(), isSetMask), params,
               site);
}
template <typename T, typename U>
void Cast(const LocalTensor<T>& dst, const LocalTensor<U>& src, const RoundMode& roundMode,
          uint32_t count, Site site = Site::here()) {
  detail::cast(dst, src, roundMode, detail::lanes_of_elements(count), detail::packed<T, U>(), site);
}

inline void SetDeqScale(half scale, Site site = Site::here()) {
  ascsim::set_deq_scale(static_cast<float>(scale), site);
}

}  // namespace AscendC
