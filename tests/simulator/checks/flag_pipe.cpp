// An event of pipes that the core does not have.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if (kClean) {
    order<HardEvent::MTE2_V>();
  } else {
    SetFlag<HardEvent::MTE2_MTE1>(0);  // @set
  }
}

}  // namespace

CHECK(flag_pipe, kVector);
