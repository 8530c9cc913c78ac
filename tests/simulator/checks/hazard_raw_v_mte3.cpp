// A store reads what a vector instruction may still be writing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  Add(tile(1), tile(0), tile(0), kCount);  // @add
  if (kClean) order<HardEvent::V_MTE3>();
  DataCopy(floats(y), tile(1), kCount);  // @store
}

}  // namespace

CHECK(hazard_raw_v_mte3, kVector);
