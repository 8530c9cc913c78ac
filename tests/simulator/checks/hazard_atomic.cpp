// Atomic additions of two cores need no order among themselves, but with the first value.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIV {
    DataCopy(tile(0), floats(x), kCount);
    order<HardEvent::MTE2_MTE3>();
    if (GetSubBlockIdx() == 0) DataCopy(floats(y), tile(0), kCount);  // @store
    if (kClean) {
      CrossCoreSetFlag<1, PIPE_MTE3>(0);
      CrossCoreWaitFlag(0);
    } else {
      PipeBarrier<PIPE_MTE3>();
    }
    SetAtomicAdd<float>();
    DataCopy(floats(y), tile(0), kCount);  // @add
    SetAtomicNone();
  }
}

}  // namespace

CHECK(hazard_atomic, kMix);
