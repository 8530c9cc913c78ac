// Two stores to overlapping bytes of GM: the pipe may overlap them.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_MTE3>();
  DataCopy(floats(y), tile(0), kCount);  // @first
  if (kClean) PipeBarrier<PIPE_MTE3>();
  DataCopy(floats(y)[kCount / 2], tile(0), kCount);  // @second
}

}  // namespace

CHECK(hazard_waw_mte3, kVector);
