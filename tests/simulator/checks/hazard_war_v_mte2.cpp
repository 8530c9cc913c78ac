// A load overwrites what a vector instruction may still be reading.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  Add(tile(1), tile(0), tile(0), kCount);  // @add
  if (kClean) order<HardEvent::V_MTE2>();
  DataCopy(tile(0)[kCount / 2], floats(x), kCount / 2);  // @load
}

}  // namespace

CHECK(hazard_war_v_mte2, kVector);
