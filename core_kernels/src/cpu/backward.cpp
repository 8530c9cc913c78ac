// Tiled FlashAttention-2 backward (Dao, 2023). A task owns the dK and dV of every splits-th KV tile
// of one (entry, KV head) and adds its dQ into a buffer of its own; the buffers are summed in a
// fixed order at the end, so results do not depend on threads. Probabilities are recomputed from
// the LSE.

#include "cpu/backward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/isa_table.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/tile_io.h"

namespace fa::cpu {
namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// State shared by the phases of one call.
struct Run {
  const BackwardProblem& problem;
  const Plan& plan;
  const Microkernels& isa;
  RowView delta;                   // rowsum(dout * out) - dlse
  float* dq;                       // per split: strips of [D][strip]
  float* dqv;                      // per split: strips of [Dv][strip]
  int64_t rows;                    // padded packed rows of one split
  std::vector<int64_t> first_row;  // padded rows before each entry

  int64_t entry_rows(int32_t entry) const {
    const Geometry& g = problem.geometry;
    int32_t q_len = g.entries[static_cast<size_t>(entry)].q_len;
    return round_up(q_len * g.group, isa.strip);
  }
  int64_t head_first_row(int32_t entry, int32_t kv_head) const {
    return first_row[static_cast<size_t>(entry)] + kv_head * entry_rows(entry);
  }
};

// Tiles and strips of one task, see microkernel.h for the layouts.
struct Buffers {
  float *k, *v, *dk, *dv;  // [kTileKv][...]; gradients have padded rows
  float *q, *q_rows, *dout, *dout_rows;
  float *qv, *qv_rows;
  float *s, *dp, *lse2, *delta;
  uint32_t* keep;
};

class BackwardTask {
 public:
  BackwardTask(const Run& run, int32_t entry, int32_t kv_head, int32_t split)
      : run_(run),
        problem_(run.problem),
        geometry_(run.problem.geometry),
        isa_(run.isa),
        entry_index_(entry),
        entry_(geometry_.entries[static_cast<size_t>(entry)]),
        group_{geometry_.group, kv_head, kv_head * geometry_.group},
        split_(split),
        strip_(run.isa.strip),
        d_(geometry_.head_dim),
        dv_(geometry_.value_dim),
        d_pitch_(round_up(d_, strip_)),
        dv_pitch_(round_up(dv_, strip_)),
        has_qv_(run.problem.qv.data != nullptr) {
    take_buffers();
  }

  void run() {
    int32_t step = kTileKv * run_.plan.splits;
    for (int32_t key = split_ * kTileKv; key < entry_.kv_len; key += step) {
      run_tile(key, std::min(kTileKv, entry_.kv_len - key));
    }
  }

 private:
  void take_buffers() {
    Scratch& scratch = local_scratch();
    int64_t tile = kTileKv, strip = strip_;
    int64_t floats = tile * (d_ + dv_ + d_pitch_ + dv_pitch_ + 2 * strip + 1) +
                     strip * (d_ + 2 * dv_ + d_pitch_ + 2 * dv_pitch_ + 2);
    scratch.reset(floats * 4 + 16 * 64);
    Buffers& b = buffers_;
    b.k = scratch.take<float>(tile * d_);
    b.v = scratch.take<float>(tile * dv_);
    b.dk = scratch.take<float>(tile * d_pitch_);
    b.dv = scratch.take<float>(tile * dv_pitch_);
    b.s = scratch.take<float>(tile * strip);
    b.dp = scratch.take<float>(tile * strip);
    b.keep = scratch.take<uint32_t>(tile);
    b.q = scratch.take<float>(strip * d_);
    b.dout = scratch.take<float>(strip * dv_);
    b.qv = scratch.take<float>(strip * dv_);
    b.q_rows = scratch.take<float>(strip * d_pitch_);
    b.dout_rows = scratch.take<float>(strip * dv_pitch_);
    b.qv_rows = scratch.take<float>(strip * dv_pitch_);
    b.lse2 = scratch.take<float>(strip);
    b.delta = scratch.take<float>(strip);
  }

  void run_tile(int32_t key, int keys) {
    load_kv_tile(isa_, problem_.k, {}, entry_, group_.kv_head, key, keys, d_, buffers_.k);
    load_kv_tile(isa_, problem_.v, {}, entry_, group_.kv_head, key, keys, dv_, buffers_.v);
    std::memset(buffers_.dk, 0, sizeof(float) * static_cast<size_t>(keys * d_pitch_));
    std::memset(buffers_.dv, 0, sizeof(float) * static_cast<size_t>(keys * dv_pitch_));
    bool skip = FA_MUTATE("drop_tile", false, key > 0 && key + keys >= entry_.kv_len);
    int64_t rows = int64_t{entry_.q_len} * group_.size;
    for (int64_t row = 0; row < rows && !skip; row += strip_) {
      int count = static_cast<int>(std::min<int64_t>(strip_, rows - row));
      describe_rows(geometry_, entry_index_, group_, row, count, strip_, &block_);
      StripRange range = strip_range(block_, 0, key, keys);
      if (range.keys > 0) run_strip(row, key, range);
    }
    store_tile(key, keys);
  }

  void load_row_values() {
    for (int r = 0; r < strip_; ++r) {
      buffers_.lse2[r] = kInfinity;
      buffers_.delta[r] = 0;
      if (r >= block_.rows) continue;
      PackedRow id = block_.id[r];
      int64_t token = entry_.q_begin + id.q_index;
      float lse = problem_.lse.at(entry_.q_row, token, id.q_head);
      if (std::isinf(lse)) continue;
      if (geometry_.alibi_by_column) lse -= block_.slope[r] * block_.diagonal[r];
      buffers_.lse2[r] = lse * kLog2E;
      buffers_.delta[r] = run_.delta.at(entry_.q_row, token, id.q_head);
    }
  }

  void load_queries() {
    load_strip(isa_, problem_.q, entry_, block_, 0, d_, buffers_.q);
    load_strip_rows(isa_, problem_.q, entry_, block_, 0, d_, d_pitch_, buffers_.q_rows);
    load_strip(isa_, problem_.dout, entry_, block_, 0, dv_, buffers_.dout);
    load_strip_rows(isa_, problem_.dout, entry_, block_, 0, dv_, dv_pitch_, buffers_.dout_rows);
    if (!has_qv_) return;
    load_strip(isa_, problem_.qv, entry_, block_, 0, dv_, buffers_.qv);
    load_strip_rows(isa_, problem_.qv, entry_, block_, 0, dv_, dv_pitch_, buffers_.qv_rows);
  }

  void run_strip(int64_t row, int32_t key, const StripRange& range) {
    load_row_values();
    load_queries();
    int keys = range.keys;
    multiply_keys(buffers_.s, buffers_.k, d_, buffers_.q, keys, false);
    if (has_qv_) multiply_keys(buffers_.s, buffers_.v, dv_, buffers_.qv, keys, true);
    multiply_keys(buffers_.dp, buffers_.v, dv_, buffers_.dout, keys, false);
    probabilities(key, range);
    multiply_rows(buffers_.dv, dv_pitch_, buffers_.s, buffers_.dout_rows, keys);
    multiply_rows(buffers_.dk, d_pitch_, buffers_.dp, buffers_.q_rows, keys);
    int64_t first = split_ * run_.rows + run_.head_first_row(entry_index_, group_.kv_head) + row;
    multiply_dims(run_.dq + first * d_, buffers_.k, d_, keys);
    if (!has_qv_) return;
    multiply_rows(buffers_.dv, dv_pitch_, buffers_.dp, buffers_.qv_rows, keys);
    multiply_dims(run_.dqv + first * dv_, buffers_.v, dv_, keys);
  }

  void probabilities(int32_t key, const StripRange& range) {
    const uint32_t* keep = nullptr;
    if (geometry_.dropout.p > 0) {
      fill_keep(geometry_, entry_index_, block_, 0, key, range.keys, buffers_.keep);
      keep = buffers_.keep;
    }
    bool alibi = geometry_.alibi.data != nullptr;
    Scores scores = {buffers_.s,
                     range.keys,
                     key,
                     block_.lo,
                     block_.hi,
                     range.edge,
                     geometry_.scale,
                     geometry_.softcap,
                     alibi ? block_.slope : nullptr,
                     alibi ? block_.diagonal : nullptr};
    isa_.backward_step({scores, buffers_.dp, buffers_.lse2, buffers_.delta, keep,
                        static_cast<float>(1.0 / (1.0 - geometry_.dropout.p))});
  }

  // c[key][row] (+)= tile[key] . strip[row]
  void multiply_keys(float* c, const float* tile, int dim, const float* strip, int keys,
                     bool accumulate) {
    isa_.gemm({c, strip_, 0, tile, dim, 1, strip, strip_, 0, keys, dim, 1, accumulate});
  }

  // gradient[key][dim] += sum over rows of weights[key][row] * rows[row][dim]
  void multiply_rows(float* gradient, int pitch, const float* weights, const float* rows,
                     int keys) {
    isa_.gemm({gradient, pitch, strip_, weights, strip_, 1, rows, pitch, strip_, keys, strip_,
               pitch / strip_, true});
  }

  // gradient[dim][row] += sum over keys of tile[key][dim] * ds[key][row]
  void multiply_dims(float* gradient, const float* tile, int dim, int keys) {
    isa_.gemm({gradient, strip_, 0, tile, 1, dim, buffers_.dp, strip_, 0, dim, keys, 1, true});
  }

  void store_tile(int32_t key, int keys) {
    for (int j = 0; j < keys; ++j) {
      int64_t token = entry_.kv_begin + key + j;
      isa_.store_row(buffers_.dk + j * d_pitch_, problem_.dk.dtype, d_,
                     problem_.dk.at(entry_.kv_row, token, group_.kv_head));
      isa_.store_row(buffers_.dv + j * dv_pitch_, problem_.dv.dtype, dv_,
                     problem_.dv.at(entry_.kv_row, token, group_.kv_head));
    }
  }

  const Run& run_;
  const BackwardProblem& problem_;
  const Geometry& geometry_;
  const Microkernels& isa_;
  const int32_t entry_index_;
  const BatchEntry& entry_;
  const HeadGroup group_;
  const int32_t split_;
  const int strip_, d_, dv_, d_pitch_, dv_pitch_;
  const bool has_qv_;
  Buffers buffers_;
  RowBlock block_;
};

// delta of one (row of q, head), all its tokens.
void compute_delta(const Run& run, int64_t row, int head) {
  const BackwardProblem& p = run.problem;
  int dv = p.geometry.value_dim;
  std::vector<float> out(static_cast<size_t>(dv)), dout(static_cast<size_t>(dv));
  for (int64_t token = 0; token < p.geometry.q_tokens; ++token) {
    run.isa.load_row(p.out.at(row, token, head), p.out.dtype, dv, out.data());
    run.isa.load_row(p.dout.at(row, token, head), p.dout.dtype, dv, dout.data());
    double sum = 0;
    for (int i = 0; i < dv; ++i)
      sum += double(out[static_cast<size_t>(i)]) * dout[static_cast<size_t>(i)];
    if (p.dlse.data) sum -= p.dlse.at(row, token, head);
    run.delta.at(row, token, head) = static_cast<float>(sum);
  }
}

// softmax_d is defined for used rows only; the rest of it is 0.
void clear_unused(const Run& run) {
  const BackwardProblem& p = run.problem;
  const Geometry& g = p.geometry;
  for_unused_tokens(g, true, [&](int64_t row, int64_t begin, int64_t end) {
    clear_tokens(p.dq, row, begin, end, g.q_heads, g.head_dim);
    if (p.dqv.data) clear_tokens(p.dqv, row, begin, end, g.q_heads, g.value_dim);
    for (int64_t token = begin; token < end; ++token) {
      for (int head = 0; head < g.q_heads; ++head) run.delta.at(row, token, head) = 0;
    }
  });
  for_unused_tokens(g, false, [&](int64_t row, int64_t begin, int64_t end) {
    clear_tokens(p.dk, row, begin, end, g.kv_heads, g.head_dim);
    clear_tokens(p.dv, row, begin, end, g.kv_heads, g.value_dim);
  });
}

// The sink is one more column with value 0: dsink = sum over rows of p_sink * (dlse - dout.out).
void sink_gradient(const Run& run, int head) {
  const BackwardProblem& p = run.problem;
  const Geometry& g = p.geometry;
  double sum = 0;
  double sink = g.sink[static_cast<size_t>(head)];
  for (int64_t b = 0; b < g.batch; ++b) {
    const BatchEntry& entry = g.entries[static_cast<size_t>(b)];
    double slope = g.alibi_by_column ? g.alibi.at(b, head) : 0;
    for (int32_t i = 0; i < entry.q_len; ++i) {
      int64_t token = entry.q_begin + i;
      double lse = p.lse.at(entry.q_row, token, head);
      if (std::isinf(lse)) continue;
      lse -= slope * (i + entry.kv_len - entry.q_len);
      sum -= std::exp(sink - lse) * run.delta.at(entry.q_row, token, head);
    }
  }
  p.dsink[head * p.dsink_stride] = static_cast<float>(sum);
}

// Sums the splits' buffers of one (entry, KV head) in order and stores the gradient.
void store_query_gradient(const Run& run, float* buffer, int dim, const TokenView& target,
                          int32_t entry_index, int32_t kv_head) {
  const Geometry& g = run.problem.geometry;
  const BatchEntry& entry = g.entries[static_cast<size_t>(entry_index)];
  int strip = run.isa.strip;
  HeadGroup group = {g.group, kv_head, kv_head * g.group};
  int64_t rows = int64_t{entry.q_len} * g.group;
  std::vector<float> ones(static_cast<size_t>(strip), 1.0f);
  RowBlock block;
  for (int64_t row = 0; row < rows; row += strip) {
    int count = static_cast<int>(std::min<int64_t>(strip, rows - row));
    float* sum = buffer + (run.head_first_row(entry_index, kv_head) + row) * dim;
    for (int split = 1; split < run.plan.splits; ++split) {
      const float* other = sum + split * run.rows * dim;
      for (int i = 0; i < strip * dim; ++i) sum[i] += other[i];
    }
    describe_rows(g, entry_index, group, row, count, strip, &block);
    store_strip(run.isa, sum, ones.data(), target, entry, block, 0, dim);
  }
}

Run make_run(const BackwardProblem& problem, const Plan& plan, char* workspace) {
  const Geometry& g = problem.geometry;
  const Microkernels& isa = microkernels();
  BackwardWorkspace regions = backward_workspace(problem, plan, isa.strip);
  Run run = {problem, plan, isa, problem.softmax_d, nullptr, nullptr, padded_rows(g, isa.strip),
             {}};
  if (!run.delta.data) {
    run.delta = {reinterpret_cast<float*>(workspace), g.q_heads * g.q_tokens, g.q_tokens, 1};
  }
  run.dq = reinterpret_cast<float*>(workspace + regions.delta);
  run.dqv = reinterpret_cast<float*>(workspace + regions.delta + regions.dq);
  int64_t next = 0;
  for (int32_t b = 0; b < g.batch; ++b) {
    run.first_row.push_back(next);
    next += run.entry_rows(b) * g.kv_heads;
  }
  return run;
}

}  // namespace

void run_backward(const BackwardProblem& problem, const Plan& plan, void* workspace) {
  const Geometry& g = problem.geometry;
  Run run = make_run(problem, plan, static_cast<char*>(workspace));
  int threads = plan.threads;
  parallel_for(threads, g.q_rows * g.q_heads, [&](int64_t index) {
    compute_delta(run, index / g.q_heads, static_cast<int>(index % g.q_heads));
  });
  clear_unused(run);
  if (problem.dsink) {
    parallel_for(threads, g.q_heads,
                 [&](int64_t head) { sink_gradient(run, static_cast<int>(head)); });
  }
  // Each task first clears its own part of the dq buffers, in its own thread.
  parallel_for(threads, plan.tasks, [&](int64_t index) {
    int32_t split = static_cast<int32_t>(index % plan.splits);
    int32_t kv_head = static_cast<int32_t>(index / plan.splits % g.kv_heads);
    int32_t entry = static_cast<int32_t>(index / plan.splits / g.kv_heads);
    int64_t first = split * run.rows + run.head_first_row(entry, kv_head);
    size_t rows = static_cast<size_t>(run.entry_rows(entry));
    std::memset(run.dq + first * g.head_dim, 0,
                sizeof(float) * rows * static_cast<size_t>(g.head_dim));
    if (problem.qv.data) {
      std::memset(run.dqv + first * g.value_dim, 0,
                  sizeof(float) * rows * static_cast<size_t>(g.value_dim));
    }
    BackwardTask(run, entry, kv_head, split).run();
  });
  parallel_for(threads, int64_t{g.batch} * g.kv_heads, [&](int64_t index) {
    int32_t entry = static_cast<int32_t>(index / g.kv_heads);
    int32_t kv_head = static_cast<int32_t>(index % g.kv_heads);
    store_query_gradient(run, run.dq, g.head_dim, problem.dq, entry, kv_head);
    if (problem.qv.data) {
      store_query_gradient(run, run.dqv, g.value_dim, problem.dqv, entry, kv_head);
    }
  });
}

}  // namespace fa::cpu
