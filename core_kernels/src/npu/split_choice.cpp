#include "npu/split_choice.h"

#include <algorithm>

#include "problem/checks.h"

namespace fa::npu {
namespace {

constexpr int64_t kTile = 128;
constexpr double kElementBytes = 2, kFloatBytes = 4;
// Per cycle at 1.8 GHz, see docs/simulator and simulator/CALIBRATION.md.
constexpr double kMacs = 4096, kCubeLoadBytes = 78, kVectorStoreBytes = 2 * 109;
constexpr double kHbmBytes = 800;                       // of all cores
constexpr double kReached = 0.85, kHbmReached = 0.98;   // of these, in predictions of whole kernels
constexpr double kShortestRow = 390;                    // bytes: a shorter one takes as long
constexpr int64_t kStackTiles = 4;                      // no output before the first stack's scores
constexpr double kStart = 3000, kLaunch = 18000;        // the latter 10 us
constexpr double kCombine = 1500, kCombineBytes = 600;  // the latter of all cores

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A core's products, or loads, for the scores of a tile of keys.
double tile_cycles(const SplitWork& work) {
  const double columns = static_cast<double>(work.score_columns + work.value_dim);
  const double rows = static_cast<double>(ceil_div(work.task_rows, 16) * 16);
  const double products = rows * kTile * columns / kMacs;
  double row_bytes = 0;
  for (const int64_t dim : {work.score_columns, work.value_dim}) {
    row_bytes += std::max(kShortestRow, static_cast<double>(dim) * kElementBytes);
  }
  const double probs = rows * kTile * kElementBytes;
  return std::max(products, (row_bytes * kTile + probs) / kCubeLoadBytes) / kReached;
}

}  // namespace

double predicted_cycles(const SplitWork& work, int64_t splits) {
  const int64_t tiles = ceil_div(work.keys, kTile), part = ceil_div(tiles, splits);
  const int64_t seen = std::max<int64_t>(1, ceil_div(work.seen, kTile));
  const int64_t parts = std::min(splits, seen < tiles ? ceil_div(seen, part) + 1 : splits);
  const int64_t tasks = work.tasks * parts, rest = tasks % work.cores;
  const double tile = tile_cycles(work), row_floats = static_cast<double>(work.value_dim + 1);
  double task = static_cast<double>(std::min(part, seen)) * tile;
  if (splits > 1) {
    task += static_cast<double>(work.task_rows) * row_floats * kFloatBytes / kVectorStoreBytes;
  }
  const double columns = static_cast<double>(work.score_columns + work.value_dim);
  const double keys = static_cast<double>(work.sequences * std::min(work.keys, seen * kTile));
  const double memory = keys * columns * kElementBytes / (kHbmBytes * kHbmReached);
  const double of_task = memory / static_cast<double>(tasks);
  const auto round = [&](int64_t busy) {
    return busy == 0 ? 0 : std::max(task, static_cast<double>(busy) * of_task);
  };
  const double forward = kStart + static_cast<double>(kStackTiles) * tile + round(rest) +
                         static_cast<double>(tasks / work.cores) * round(work.cores);
  if (splits == 1) return forward;
  const double results = static_cast<double>(work.rows) * row_floats;
  const double bytes = results * (static_cast<double>(splits) * kFloatBytes + kElementBytes);
  return forward + kLaunch + kCombine + bytes / kCombineBytes;
}

int32_t choose_splits(const SplitWork& work, int64_t fewest_keys) {
  constexpr double kWorthwhile = 0.98;
  const int64_t most = std::min<int64_t>(kMaxSplits, work.keys / fewest_keys);
  int64_t best = 1;
  double least = predicted_cycles(work, 1);
  for (int64_t splits = 2; splits <= most; ++splits) {
    const double cycles = predicted_cycles(work, splits);
    if (cycles >= kWorthwhile * least) continue;
    best = splits;
    least = cycles;
  }
  return static_cast<int32_t>(best);
}

}  // namespace fa::npu
