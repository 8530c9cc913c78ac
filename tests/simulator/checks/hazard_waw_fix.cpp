// Two results to the same bytes of L1: the pipe may overlap them. (Fixpipe to GM brings a barrier.)
#include "cube.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  if ASCEND_IS_AIC {
    load_operands(x);
    Mmad(l0c(), l0a(), l0b(), one_tile(true));
    order<HardEvent::M_FIX>();
    const LocalTensor<half> l1(TPosition::A1, 4096, kCount);
    FixpipeParamsV220 params = store_tile();
    params.quantPre = QuantMode_t::F322F16;
    Fixpipe<half, float, CFG_NZ>(l1, l0c(), params);  // @first
    if (kClean) PipeBarrier<PIPE_FIX>();
    Fixpipe<half, float, CFG_NZ>(l1, l0c(), params);  // @second
  }
}

}  // namespace

CHECK(hazard_waw_fix, kCube);
