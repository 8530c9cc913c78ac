// UB is addressed in blocks of 32 bytes.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  DataCopy(tile(0)[kClean ? 8 : 4], floats(x), 64);  // @load
}

}  // namespace

CHECK(alignment_ub, kVector);
