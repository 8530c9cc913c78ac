// An AIV has no L1.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(kClean ? tile(0) : l1_tile(0), floats(x), kCount);  // @load
}

}  // namespace

CHECK(capacity_other_core, kVector);
