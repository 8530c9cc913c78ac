// The scalar unit reads what a vector instruction may still be writing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  Add(tile(1), tile(0), tile(0), kCount);  // @add
  if (kClean) order<HardEvent::V_S>();
  tile(1).GetValue(3);  // @get
}

}  // namespace

CHECK(hazard_scalar_load, kVector);
