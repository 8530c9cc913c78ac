// A vector instruction reads what a load may still be writing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);  // @load
  if (kClean) order<HardEvent::MTE2_V>();
  Add(tile(1), tile(0), tile(0), kCount);  // @add
}

}  // namespace

CHECK(hazard_raw_mte2_v, kVector);
