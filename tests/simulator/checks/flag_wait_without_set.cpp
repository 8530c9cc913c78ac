// A pipe waits for an event that nobody has set.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if (kClean) SetFlag<HardEvent::MTE3_V>(0);
  WaitFlag<HardEvent::MTE3_V>(0);  // @wait
}

}  // namespace

CHECK(flag_wait_without_set, kVector);
