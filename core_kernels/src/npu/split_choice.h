#pragma once

#include <cstdint>

namespace fa::npu {

// What a forward call does, as far as its time depends on the number of splits.
struct SplitWork {
  int64_t tasks = 0;      // without splits
  int64_t task_rows = 0;  // (query, head) rows of a task, at most
  int64_t rows = 0;       // (query, head) rows of all results
  int64_t keys = 0;       // of a sequence
  int64_t seen = 0;       // keys that the rows of a task see of them: fewer with a window
  int64_t sequences = 0;  // (sequence, KV head) pairs, whose keys are read at least once
  int64_t score_columns = 0;
  int64_t value_dim = 0;
  int64_t cores = 0;
};

// Predicted cycles of the forward kernel, and of the combine kernel if there are several splits.
double predicted_cycles(const SplitWork& work, int64_t splits);

// The number of splits with the least of them; few rather than many where it makes no difference.
int32_t choose_splits(const SplitWork& work, int64_t fewest_keys);

}  // namespace fa::npu
