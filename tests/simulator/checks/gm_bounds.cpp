// A load from beyond the end of its buffer.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  const uint32_t last = 64 * 1024 / 4 - kCount;
  DataCopy(tile(0), floats(x)[kClean ? last : last + 8], kCount);  // @load
}

}  // namespace

CHECK(gm_bounds, kVector);
