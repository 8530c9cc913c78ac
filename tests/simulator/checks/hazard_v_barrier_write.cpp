// Two vector instructions with the same destination.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  Add(tile(1), tile(0), tile(0), kCount);  // @first
  if (kClean) PipeBarrier<PIPE_V>();
  Add(tile(1), tile(0), tile(0), kCount);  // @second
}

}  // namespace

CHECK(hazard_v_barrier_write, kVector);
