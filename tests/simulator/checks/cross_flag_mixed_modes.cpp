// One flag in two modes at once.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    CrossCoreSetFlag<2, PIPE_FIX>(4);  // @first
    if (kClean) CrossCoreWaitFlag(6);
    CrossCoreSetFlag<0, PIPE_FIX>(5);
    CrossCoreWaitFlag(5);
  } else {
    if (kClean) {
      CrossCoreWaitFlag(4);
      CrossCoreSetFlag<2, PIPE_MTE3>(6);
    }
    CrossCoreSetFlag<1, PIPE_MTE3>(4);  // @second
    CrossCoreWaitFlag(4);
    if (!kClean) CrossCoreWaitFlag(4);
  }
}

}  // namespace

CHECK(cross_flag_mixed_modes, kMix);
