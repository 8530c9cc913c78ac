// A core waits for a flag that one of two cores does not set.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    CrossCoreWaitFlag(3);  // @aic
  } else if (GetSubBlockIdx() == 0) {
    CrossCoreSetFlag<2, PIPE_MTE3>(3);
  } else {
    if (!kClean) CrossCoreWaitFlag(2);  // @aiv
    CrossCoreSetFlag<2, PIPE_MTE3>(3);
  }
}

}  // namespace

CHECK(deadlock, kMix);
