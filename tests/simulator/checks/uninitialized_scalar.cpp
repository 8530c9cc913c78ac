// The scalar unit reads a byte that nothing has written.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if (kClean) tile(0).SetValue(0, 1.0f);
  tile(0).GetValue(0);  // @get
}

}  // namespace

CHECK(uninitialized_scalar, kVector);
