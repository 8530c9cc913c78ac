#pragma once

// Backward tasks: each owns dK and dV of every splits-th KV tile of one (entry, KV head) and adds
// its dQ into a buffer of its own.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/microkernel.h"
#include "cpu/tile_io.h"
#include "fa/plan.h"
#include "fa/problem.h"

namespace fa::cpu {

// State shared by the phases of one call.
struct BackwardRun {
  const BackwardProblem& problem;
  const Plan& plan;
  const Microkernels& isa;
  int strip;                       // rows that belong together in the buffers
  RowView delta;                   // rowsum(dout * out) - dlse
  float* dq;                       // per split: strips of [D][strip]
  float* dqv;                      // per split: strips of [Dv][strip]
  int64_t rows;                    // padded packed rows of one split
  std::vector<int64_t> first_row;  // padded rows before each entry

  int64_t entry_rows(int32_t entry) const {
    const Geometry& g = problem.geometry;
    int64_t rows = int64_t{g.entries[static_cast<size_t>(entry)].q_len} * g.group;
    return (rows + strip - 1) / strip * strip;
  }
  int64_t head_first_row(int32_t entry, int32_t kv_head) const {
    return first_row[static_cast<size_t>(entry)] + kv_head * entry_rows(entry);
  }
};

struct BackwardWork {
  int32_t entry;
  int32_t kv_head;
  int32_t split;
};

// What tasks have in common, whatever multiplies.
class BackwardTask {
 protected:
  BackwardTask(const BackwardRun& run, const BackwardWork& work);

  // Calls tile(key, keys) for the tiles that the task owns.
  template <typename Tile>
  void for_tiles(Tile&& tile) {
    int32_t step = kTileKv * run_.plan.splits;
    for (int32_t key = work_.split * kTileKv; key < entry_.kv_len; key += step) {
      tile(key, std::min(kTileKv, entry_.kv_len - key));
    }
  }

  // Describes `count` rows at a time in block_ and calls rows(first) for those that see something
  // of the tile.
  template <typename Rows>
  void for_rows(int count, int32_t key, int keys, Rows&& rows) {
    if (FA_MUTATE("drop_tile", false, key > 0 && key + keys >= entry_.kv_len)) return;
    int64_t all = int64_t{entry_.q_len} * group_.size;
    for (int64_t row = 0; row < all; row += count) {
      int some = static_cast<int>(std::min<int64_t>(count, all - row));
      describe_rows(geometry_, work_.entry, group_, row, some, run_.strip, &block_);
      if (block_.first_key < key + keys && block_.end_key > key) rows(row);
    }
  }

  // LSE in the log2 domain and delta of a strip; rows that see nothing get +inf and 0.
  void load_row_values(int strip_index, float* lse2, float* delta) const;

  // The step of a strip of block_, with all but its buffers; `keep` is filled if there is dropout.
  BackwardStep step_of(int strip_index, int32_t key, const StripRange& range, uint32_t* keep) const;

  // Where dq (or dqv) of the strip that begins with a row is collected.
  float* query_gradient(float* buffer, int64_t row, int dim) const;

  // Stores dk and dv, whose rows have the pitches.
  void store_gradients(int32_t key, int keys, const float* dk, const float* dv) const;

  const BackwardRun& run_;
  const BackwardProblem& problem_;
  const Geometry& geometry_;
  const BackwardWork work_;
  const BatchEntry& entry_;
  const HeadGroup group_;
  const int strip_, d_, dv_;
  const int d_pitch_, dv_pitch_;  // whole strips
  RowBlock block_;
};

void run_fp32_backward(const BackwardRun& run, const BackwardWork& work);

// bf16 without qv, on units with dot products of bf16 pairs.
void run_pair_backward(const BackwardRun& run, const BackwardWork& work);

}  // namespace fa::cpu
