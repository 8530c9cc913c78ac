// A load overwrites the operand that Mmad may still be reading.
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    load_operands(x);
    Mmad(l0c(), l0a(), l0b(), one_tile(true));  // @mmad
    if (kClean) order<HardEvent::M_MTE1>();
    LoadData(l0a(), LocalTensor<half>(TPosition::A1, 0, kCount), one_fractal());  // @load
  }
}

}  // namespace

CHECK(hazard_war_m_mte1, kCube);
