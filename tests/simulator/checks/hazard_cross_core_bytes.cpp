// Two cores write into one 32-byte granule: fine while the bytes are their own.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIV {
    const auto own = static_cast<uint64_t>(GetSubBlockIdx());
    floats(y).SetValue(kClean ? own : 0, 1.0f);  // @set
    DataCacheCleanAndInvalid<float, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(
        floats(y));
  }
}

}  // namespace

CHECK(hazard_cross_core_bytes, kMix);
