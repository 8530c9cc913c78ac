// An assertion of the kernel ends the launch and names its core.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    // Waits in vain, and is given up.
    if (!kClean) CrossCoreWaitFlag(1);
  } else {
    ascendc_assert(kClean || GetSubBlockIdx() != 1);  // @assert
  }
}

}  // namespace

CHECK(assertion, kMix);
