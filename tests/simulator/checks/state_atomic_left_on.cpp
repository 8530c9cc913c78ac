// Atomic mode would meet the next kernel.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  SetAtomicAdd<float>();  // @atomic
  if (kClean) SetAtomicNone();
}

}  // namespace

CHECK(state_atomic_left_on, kVector);
