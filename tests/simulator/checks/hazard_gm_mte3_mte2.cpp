// A load reads back from GM what a store of the same core may still be writing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_MTE3>();
  DataCopy(floats(y), tile(0), kCount);  // @store
  if (kClean) order<HardEvent::MTE3_MTE2>();
  DataCopy(tile(1), floats(y), kCount);  // @load
}

}  // namespace

CHECK(hazard_gm_mte3_mte2, kVector);
