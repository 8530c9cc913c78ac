#pragma once

#include <cstdint>

#include "npu/kernel_args.h"

namespace fa::npu {

// What a forward call without splits does, as far as its time depends on the rows of tasks.
struct CutWork {
  int64_t queries = 0;    // of a sequence
  int64_t sequences = 0;  // (sequence, group of packed heads) pairs, each with these queries
  int64_t heads = 1;      // rows of a query
  int64_t cores = 0;
  int32_t most_rows = 0;    // of a task
  int32_t dim_columns = 0;  // head dim and value dim
  bool diagonal = false;    // a mask ends there
};

inline constexpr int64_t kFewestRows = 64;  // below this a task's products waste most of the cube

// The cut that keeps the core with most to do busy for the shortest time. Tasks are dealt out in
// turn: where a last round would keep some of the cores only, the last blocks of each sequence are
// made smaller, so that it keeps all. At a diagonal the last tasks are short anyway, and large or
// small ones are all that is tried.
TaskCut choose_cut(const CutWork& work);

}  // namespace fa::npu
