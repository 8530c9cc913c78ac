// The AIV lets the AIC go on before its own store: a flag too early orders nothing.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIV {
    DataCopy(tile(0), floats(x), kCount);
    order<HardEvent::MTE2_MTE3>();
    const auto half = GetSubBlockIdx() * kCount;
    // On another pipe, the set does not wait for the store.
    if (!kClean) CrossCoreSetFlag<2, PIPE_MTE2>(1);
    DataCopy(floats(y)[half], tile(0), kCount);  // @store
    if (kClean) CrossCoreSetFlag<2, PIPE_MTE3>(1);
  } else {
    CrossCoreWaitFlag(1);
    DataCopy(l1_tile(0), floats(y)[kCount], kCount);  // @load
  }
}

}  // namespace

CHECK(hazard_cross_core_late, kMix);
