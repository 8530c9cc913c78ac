// A store takes along what the scalar unit may still be writing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_MTE3>();
  order<HardEvent::MTE2_S>();
  tile(0).SetValue(1, 2.0f);  // @set
  if (kClean) order<HardEvent::S_MTE3>();
  DataCopy(floats(y), tile(0), kCount);  // @store
}

}  // namespace

CHECK(hazard_scalar_store, kVector);
