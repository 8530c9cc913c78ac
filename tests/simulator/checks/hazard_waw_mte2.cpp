// Two loads into the same bytes: the pipe may overlap them.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);  // @first
  if (kClean) PipeBarrier<PIPE_MTE2>();
  DataCopy(tile(0), floats(x), kCount);  // @second
}

}  // namespace

CHECK(hazard_waw_mte2, kVector);
