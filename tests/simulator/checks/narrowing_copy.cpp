// A stride that its field of 16 bits cannot hold.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  const uint32_t gap = kClean ? 2 : 65536 + 2;
  DataCopy(tile(0), floats(x), DataCopyParams(2, 1, gap, 0));  // @load
}

}  // namespace

CHECK(narrowing_copy, kVector);
