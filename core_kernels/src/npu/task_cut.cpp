#include "npu/task_cut.h"

#include <algorithm>

namespace fa::npu {
namespace {

constexpr int64_t kRowUnit = 16;
constexpr int64_t kMostRounds = 64;  // with more of them the last one hardly counts
constexpr int64_t kLastRounds = 5;   // whose tasks may become smaller
constexpr int64_t kMostTried = 16;   // numbers of large blocks, as every call makes a plan

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What moving the keys and values of a task costs, in rows. Between 40 (D = 64) and 270 (192/128)
// in predictions of tasks of 128 to 256 rows; rather too much, as smaller tasks must not be slower.
int64_t rows_of_keys(const CutWork& work) { return work.dim_columns / 2; }

// Keys behind the diagonal that a task's other rows see are computed for all of them, so the larger
// the tasks the more is masked; in predictions they pay from this many rounds on.
TaskCut cut_at_diagonal(const CutWork& work) {
  constexpr int64_t kTile = 128, kRounds = 4, kRoundsWithPartialTiles = 12;
  const int64_t rounds = work.most_rows % kTile == 0 ? kRounds : kRoundsWithPartialTiles;
  const int64_t tasks = work.sequences * ceil_div(work.queries, work.most_rows / work.heads);
  const auto rows = static_cast<int32_t>(
      tasks < rounds * work.cores ? std::min<int64_t>(kTile, work.most_rows) : work.most_rows);
  return {rows, 0, rows};
}

// The time of the core that has most to do without a mask, in rows that see all keys.
int64_t predicted_rows(const CutWork& work, const TaskCut& cut) {
  const int64_t size = cut.rows / work.heads, rest_size = cut.rest_rows / work.heads;
  const int64_t rest = std::max<int64_t>(0, work.queries - cut.blocks * size);
  const int64_t large = work.sequences * cut.blocks;
  const int64_t all = large + work.sequences * ceil_div(rest, rest_size);
  // In the round in which the last large task is dealt out, nobody has less to do than it.
  const int64_t large_rounds = ceil_div(large, work.cores);
  const int64_t rest_rounds = ceil_div(all, work.cores) - large_rounds;
  return large_rounds * (cut.rows + rows_of_keys(work)) +
         rest_rounds * (cut.rest_rows + rows_of_keys(work));
}

}  // namespace

TaskCut choose_cut(const CutWork& work) {
  if (work.diagonal) return cut_at_diagonal(work);
  const int64_t size = work.most_rows / work.heads;
  const int64_t blocks = ceil_div(work.queries, size);
  TaskCut best = {work.most_rows, 0, work.most_rows};
  if (blocks * work.sequences > kMostRounds * work.cores) return best;
  int64_t least = predicted_rows(work, best);
  const int64_t most_small = ceil_div(kLastRounds * work.cores, work.sequences);
  const int64_t fewest_large = std::max<int64_t>(0, blocks - std::min(most_small, kMostTried));
  for (int64_t large = blocks - 1; large >= 0; --large) {
    if (large < fewest_large) large = 0;  // small ones alone are tried too
    const int64_t dealt = large * work.sequences;
    const int64_t places = ceil_div(dealt, work.cores) * work.cores - dealt;
    for (int64_t rounds = 0; rounds <= kLastRounds; ++rounds) {
      const int64_t parts = (places + rounds * work.cores) / work.sequences;
      if (parts == 0) continue;
      const int64_t queries = ceil_div(work.queries - large * size, parts);
      const auto rows = static_cast<int32_t>(
          std::max(kFewestRows, ceil_div(queries * work.heads, kRowUnit) * kRowUnit));
      if (rows > work.most_rows) continue;
      const TaskCut cut = {large > 0 ? work.most_rows : rows, static_cast<int32_t>(large), rows};
      const int64_t cost = predicted_rows(work, cut);
      if (cost > least || (cost == least && rows <= best.rest_rows)) continue;
      best = cut;
      least = cost;
    }
  }
  return best;
}

}  // namespace fa::npu
