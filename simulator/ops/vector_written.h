// Which lanes of an element-wise result count as written when some source bytes were not.
#pragma once

#include <utility>
#include <vector>

#include "ops/vector_elementwise.h"

namespace ascsim {

// An instruction that uses unwritten bytes marks all it writes as unwritten (Instruction::begin).
// Of an element-wise one, the lanes that are written in all sources are written in dst. They have
// to be found before, since dst may be a source.
class WrittenLanes {
 public:
  void find(const Elementwise& e, const VectorPlan& plan);
  void mark();  // after Instruction::begin

 private:
  std::vector<std::pair<int64_t, int64_t>> spans_;  // of dst: first byte, bytes
};

}  // namespace ascsim
