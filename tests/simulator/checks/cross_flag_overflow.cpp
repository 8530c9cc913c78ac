// A cross-core flag counts to 15.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  const int sets = kClean ? 15 : 16;
  for (int i = 0; i < sets; ++i) {
    if ASCEND_IS_AIC {
      CrossCoreSetFlag<2, PIPE_FIX>(4);  // @set
    } else {
      CrossCoreWaitFlag(4);
    }
  }
}

}  // namespace

CHECK(cross_flag_overflow, kMix);
