// An event is still set when the kernel ends.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  SetFlag<HardEvent::V_MTE3>(1);  // @set
  if (kClean) WaitFlag<HardEvent::V_MTE3>(1);
}

}  // namespace

CHECK(flag_left_over, kVector);
