// A tile that does not fit into UB.
#include "check.h"

namespace {

template <bool kClean>
void body([[maybe_unused]] GM_ADDR x, [[maybe_unused]] GM_ADDR y) {
  const uint32_t blocks = kClean ? 1 : 64;
  DataCopy(tile(160), floats(x), DataCopyParams(blocks, 1, 0, 31));  // @load
}

}  // namespace

CHECK(capacity_ub, kVector);
