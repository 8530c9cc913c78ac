// Flag 12 belongs to SyncAll, which may be waiting for it on the other side.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  constexpr uint16_t flag = kClean ? 10 : 12;
  if ASCEND_IS_AIV {
    CrossCoreSetFlag<2, PIPE_MTE3>(flag);  // @set
  } else {
    CrossCoreWaitFlag(flag);
  }
  SyncAll<false>();
}

}  // namespace

CHECK(cross_flag_reserved, kMix);
