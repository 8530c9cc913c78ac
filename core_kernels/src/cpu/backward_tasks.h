#pragma once

// Backward tasks: each owns dK and dV of every splits-th KV tile of one (entry, KV head) and adds
// its dQ into a buffer of its own.

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

// LSE in the log2 domain and delta of a strip of `block`; rows that see nothing get +inf and 0.
void load_row_values(const BackwardRun& run, const BatchEntry& entry, const RowBlock& block,
                     int strip_index, float* lse2, float* delta);

// fp32 gradients of keys and values with padded rows, and where they belong.
struct KeyGradients {
  const float* dk;
  const float* dv;
  int d_pitch;
  int dv_pitch;
};
void store_key_gradients(const BackwardRun& run, const BatchEntry& entry, int32_t kv_head,
                         int32_t key, int keys, const KeyGradients& gradients);

void run_fp32_backward(const BackwardRun& run, const BackwardWork& work);

// bf16 without qv, on units with dot products of bf16 pairs.
void run_pair_backward(const BackwardRun& run, const BackwardWork& work);

}  // namespace fa::cpu
