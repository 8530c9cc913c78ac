// A scalar store that nothing writes back: what reads y next may find the old bytes.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  floats(y).SetValue(0, 1.0f);
  floats(y).SetValue(1, 2.0f);  // @store
  if (kClean) {
    DataCacheCleanAndInvalid<float, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(
        floats(y));
  }
}

}  // namespace

CHECK(state_left_in_cache, kVector);
