// A result whose unit flags are set and that nobody takes: the next kernel's Mmad waits for ever.
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    load_operands(x);
    Mmad(l0c(), l0a(), l0b(), one_tile(true, 3));  // @mmad
    if (kClean) Fixpipe(floats(y), l0c(), store_tile(3));
  }
}

}  // namespace

CHECK(flag_unit_left_over, kCube);
