// A load passes on what nothing has written; its store is the defect.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(kClean ? x : y), kCount);
  order<HardEvent::MTE2_MTE3>();
  DataCopy(floats(y)[kCount], tile(0), kCount);  // @store
}

}  // namespace

CHECK(uninitialized_gm, kVector);
