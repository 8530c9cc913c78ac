// A cross-core flag that nobody waits for.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    CrossCoreSetFlag<2, PIPE_FIX>(4);  // @set
  } else if (kClean || GetSubBlockIdx() == 0) {
    CrossCoreWaitFlag(4);
  }
}

}  // namespace

CHECK(cross_flag_left_over, kMix);
