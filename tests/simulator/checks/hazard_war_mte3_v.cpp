// A vector instruction overwrites what a store may still be reading.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  order<HardEvent::MTE2_MTE3>();
  DataCopy(floats(y), tile(0), kCount);  // @store
  if (kClean) order<HardEvent::MTE3_V>();
  Add(tile(0), tile(0), tile(0), kCount);  // @add
}

}  // namespace

CHECK(hazard_war_mte3_v, kVector);
