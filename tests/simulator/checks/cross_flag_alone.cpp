// A set that must meet those of other cores, which never come.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIV {
    if (kClean || GetSubBlockIdx() == 0) CrossCoreSetFlag<2, PIPE_MTE3>(5);  // @set
  } else if (kClean) {
    CrossCoreWaitFlag(5);
  }
}

}  // namespace

CHECK(cross_flag_alone, kMix);
