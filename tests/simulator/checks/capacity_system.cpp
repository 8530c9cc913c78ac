// The last bytes of L1 belong to the system.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    DataCopy(l1_tile(kClean ? 510 : 511), floats(x), kCount);  // @load
  }
}

}  // namespace

CHECK(capacity_system, kCube);
