// A store of bytes that nothing has written.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kClean ? kCount : kCount - 8);
  order<HardEvent::MTE2_MTE3>();
  DataCopy(floats(y), tile(0), kCount);  // @store
}

}  // namespace

CHECK(uninitialized_ub, kVector);
