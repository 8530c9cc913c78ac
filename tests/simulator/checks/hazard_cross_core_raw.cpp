// The AIC reads from GM what an AIV may still be writing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIV {
    DataCopy(tile(0), floats(x), kCount);
    order<HardEvent::MTE2_MTE3>();
    const auto half = GetSubBlockIdx() * kCount;
    DataCopy(floats(y)[half], tile(0), kCount);  // @store
    if (kClean) CrossCoreSetFlag<2, PIPE_MTE3>(1);
  } else {
    if (kClean) CrossCoreWaitFlag(1);
    DataCopy(l1_tile(0), floats(y)[kCount], kCount);  // @load
  }
}

}  // namespace

CHECK(hazard_cross_core_raw, kMix);
