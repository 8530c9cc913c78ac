// Moves by MTE2 and MTE3 (and UB to UB by V).
#pragma once

#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

// `blocks` pieces of `bytes` each. Gaps are bytes from the end of a piece to the start of the next.
// A piece takes `local_bytes` (>= bytes) in the local memory when moved in with padding.
struct Blocks {
  int64_t blocks = 0;
  int64_t bytes = 0;
  int64_t from_gap = 0;
  int64_t to_gap = 0;
};

// GM <-> UB, GM -> L1, L1 -> GM, UB -> UB: pieces of the same size on both sides.
void move_blocks(const Operand& to, const Operand& from, const Blocks& blocks, bool cached,
                 Site site);

}  // namespace ascsim
