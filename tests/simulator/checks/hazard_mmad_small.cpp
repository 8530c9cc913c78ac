// Accumulation in a small block of L0C: the second Mmad reads what the first may still be adding.
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    load_operands(x);
    Mmad(l0c(), l0a(), l0b(), one_tile(true));  // @first
    if (kClean) PipeBarrier<PIPE_M>();
    Mmad(l0c(), l0a(), l0b(), one_tile(false));  // @second
  }
}

}  // namespace

CHECK(hazard_mmad_small, kCube);
