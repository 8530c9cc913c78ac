// Mmad overwrites what Fixpipe may still be reading; unit flags hand the block back.
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    load_operands(x);
    const uint8_t flag = kClean ? 3 : 0;
    Mmad(l0c(), l0a(), l0b(), one_tile(true, flag));
    order<HardEvent::M_FIX>();
    Fixpipe(floats(y), l0c(), store_tile(flag));      // @fixpipe
    Mmad(l0c(), l0a(), l0b(), one_tile(true, flag));  // @mmad
    order<HardEvent::M_FIX>();
    Fixpipe(floats(y)[kCount], l0c(), store_tile(flag));
  }
}

}  // namespace

CHECK(hazard_unit_flag_war, kCube);
