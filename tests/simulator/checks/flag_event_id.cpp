// There are events 0 to 7.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  const int id = kClean ? 7 : 8;
  SetFlag<HardEvent::MTE3_V>(id);   // @set
  WaitFlag<HardEvent::MTE3_V>(id);  // @wait
}

}  // namespace

CHECK(flag_event_id, kVector);
