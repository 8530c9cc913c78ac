// UB from 184 KiB on belongs to library functions.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(kClean ? 183 : 184), floats(x), kCount);  // @load
}

}  // namespace

CHECK(capacity_reserved, kVector);
