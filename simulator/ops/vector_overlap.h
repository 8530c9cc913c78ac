// Overlap of dst and sources inside one vector instruction.
#pragma once

#include "ops/vector_elementwise.h"

namespace ascsim {

// Reports what "通用地址重叠约束" does not allow: within a repeat, dst and a source are the same or
// disjoint (a narrowing cast may write into its own source); a repeat must not read what an earlier
// one wrote, except that Add, Sub, Mul, Max, Min of half, float and int32 may have dst == src1
// where either has repeat stride 0.
void check_overlap(Instruction& i, const Elementwise& e, const VectorPlan& plan);

}  // namespace ascsim
