// Two loads of the same operand: the pipe may overlap them.
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    const LocalTensor<half> l1(TPosition::A1, 0, kCount);
    load_operands(x);
    PipeBarrier<PIPE_ALL>();
    LoadData(l0a(), l1, one_fractal());  // @first
    if (kClean) PipeBarrier<PIPE_MTE1>();
    LoadData(l0a(), l1, one_fractal());  // @second
  }
}

}  // namespace

CHECK(hazard_waw_mte1, kCube);
