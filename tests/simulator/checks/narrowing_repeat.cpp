// A repeat count that its field of 8 bits cannot hold.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(x), kCount);
  order<HardEvent::MTE2_V>();
  const int repeats = kClean ? 4 : 260;
  Add(tile(1), tile(0), tile(0), 64, repeats, {1, 1, 1, 8, 8, 8});  // @add
}

}  // namespace

CHECK(narrowing_repeat, kVector);
