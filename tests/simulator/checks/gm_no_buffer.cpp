// An address that no buffer of the launch covers.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0), floats(kClean ? x : x - 4096), kCount);  // @load
}

}  // namespace

CHECK(gm_no_buffer, kVector);
