// Fixpipe reads what Mmad may still be writing; unit flags order the two as an event would.
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    load_operands(x);
    const uint8_t flag = kClean ? 3 : 0;
    Mmad(l0c(), l0a(), l0b(), one_tile(true, flag));  // @mmad
    Fixpipe(floats(y), l0c(), store_tile(flag));      // @fixpipe
  }
}

}  // namespace

CHECK(hazard_unit_flag, kCube);
