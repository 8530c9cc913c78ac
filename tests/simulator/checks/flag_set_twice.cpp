// An event is set while it is set.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  SetFlag<HardEvent::MTE2_V>(3);  // @first
  if (kClean) WaitFlag<HardEvent::MTE2_V>(3);
  SetFlag<HardEvent::MTE2_V>(3);  // @second
  WaitFlag<HardEvent::MTE2_V>(3);
}

}  // namespace

CHECK(flag_set_twice, kVector);
