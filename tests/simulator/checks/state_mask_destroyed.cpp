// A count form leaves all lanes on, whatever the kernel had set.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  SetVectorMask<float>(0, 0xff);
  Add(tile(1), tile(0), tile(0), kCount);  // @count
  PipeBarrier<PIPE_V>();
  if (kClean) SetVectorMask<float>(0, 0xff);
  Add<float, false>(tile(2), tile(0), tile(0), MASK_PLACEHOLDER, 1, {1, 1, 1, 8, 8, 8});  // @use
}

}  // namespace

CHECK(state_mask_destroyed, kVector);
