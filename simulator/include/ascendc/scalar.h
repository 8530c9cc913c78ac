// State of the scalar unit: masks, atomics, caches, assertions.
#pragma once

#include <cstdio>

#include "ascendc/tensor.h"

namespace AscendC {

// What vector instructions with isSetMask = false take for a mask argument.
inline constexpr uint64_t MASK_PLACEHOLDER = 0;
inline uint64_t MASK_PLACEHOLDER_LIST[2] = {0, 0};

// Normal mode: 128 lane bits. Counter mode: the number of elements, over all repeats, in `low`.
template <typename T, MaskMode mode = MaskMode::NORMAL>
void SetVectorMask(uint64_t high, uint64_t low, Site site = Site::here()) {
  ascsim::set_mask(high, low, site);
}
template <typename T, MaskMode mode = MaskMode::NORMAL>
void SetVectorMask(int32_t length, Site site = Site::here()) {
  const auto lanes = static_cast<uint64_t>(length);
  if constexpr (mode == MaskMode::COUNTER) {
    ascsim::set_mask(0, lanes, site);
  } else {
    const auto ones = [](uint64_t n) { return n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; };
    ascsim::set_mask(lanes > 64 ? ones(lanes - 64) : 0, ones(lanes), site);
  }
}
inline void SetMaskCount(Site site = Site::here()) { ascsim::set_mask_mode(true, site); }
inline void SetMaskNorm(Site site = Site::here()) { ascsim::set_mask_mode(false, site); }
inline void ResetMask(Site site = Site::here()) { ascsim::reset_mask(site); }

template <typename T>
void SetAtomicAdd(Site site = Site::here()) {
  ascsim::set_atomic(ascsim::AtomicOp::kAdd, dtype_of<T>(), site);
}
template <typename T>
void SetAtomicMax(Site site = Site::here()) {
  ascsim::set_atomic(ascsim::AtomicOp::kMax, dtype_of<T>(), site);
}
template <typename T>
void SetAtomicMin(Site site = Site::here()) {
  ascsim::set_atomic(ascsim::AtomicOp::kMin, dtype_of<T>(), site);
}
// Only the type; the operation stays, and on a core that has set none it is addition (INFERRED: the
// register's operation field is 0 for addition, and kernels rely on it).
template <typename T>
void SetAtomicType(Site site = Site::here()) {
  const ascsim::AtomicOp now = ascsim::machine().current().state.atomic;
  ascsim::set_atomic(now == ascsim::AtomicOp::kNone ? ascsim::AtomicOp::kAdd : now, dtype_of<T>(),
                     site);
}
inline void SetAtomicNone(Site site = Site::here()) {
  ascsim::set_atomic(ascsim::AtomicOp::kNone, ascsim::DType::kFp32, site);
}
inline void DisableDmaAtomic(Site site = Site::here()) { SetAtomicNone(site); }

template <typename T, CacheLine lines, DcciDst dst = DcciDst::CACHELINE_ALL>
void DataCacheCleanAndInvalid(const GlobalTensor<T>& at, Site site = Site::here()) {
  static_assert(dst == DcciDst::CACHELINE_ALL || dst == DcciDst::CACHELINE_OUT,
                "a GM address with the cache of UB, or a mode that A2/A3 do not have");
  ascsim::cache_clean(at.operand(), lines == CacheLine::ENTIRE_DATA_CACHE, site);
}
// UB is not cached here: scalar accesses see it as it is.
template <typename T, CacheLine lines, DcciDst dst = DcciDst::CACHELINE_ALL>
void DataCacheCleanAndInvalid(const LocalTensor<T>&, Site = Site::here()) {}

}  // namespace AscendC

#define ascendc_assert(condition, ...) \
  ((condition) ? (void)0 : ascsim::kernel_assertion(#condition, ascsim::Site::here()))
#define ASCENDC_ASSERT(condition, behaviour) ascendc_assert(condition)
