// Backward tasks by products of bf16 pairs: blocks of rows go over a tile of keys. P and dS of a
// block are collected, rounded to bf16, so that dK and dV are loaded and stored once for many rows.

#include <algorithm>
#include <cstring>

#include "cpu/backward_tasks.h"
#include "cpu/scratch.h"

namespace fa::cpu {
namespace {

constexpr int kRows = 64;                // of a block
constexpr int kMostStrips = kRows / 16;  // no strip of pairs is narrower

class PairBackwardTask : BackwardTask {
 public:
  PairBackwardTask(const BackwardRun& run, const BackwardWork& work)
      : BackwardTask(run, work), kernels_(*run.isa.pairs) {
    take_buffers();
  }

  void run() {
    for_tiles([this](int32_t key, int keys) { run_tile(key, keys); });
  }

 private:
  // Pairs of a row of D or Dv values.
  int d_pairs() const { return (d_ + 1) / 2; }
  int dv_pairs() const { return (dv_ + 1) / 2; }

  void take_buffers() {
    Scratch& scratch = local_scratch();
    const int64_t tile = kTileKv, pitches = d_pitch_ + dv_pitch_;
    int64_t words = tile * (d_pairs() + dv_pairs() + d_pitch_ / 2 + pitches + kRows + strip_ / 2) +
                    3 * tile * strip_ + kRows * (d_pairs() + dv_pairs() + pitches / 2) + 3 * strip_;
    scratch.reset(words * 4 + 20 * 64);
    k_ = scratch.take<uint32_t>(tile * d_pairs());
    k_pairs_ = scratch.take<uint32_t>(tile / 2 * d_pitch_);
    v_ = scratch.take<uint32_t>(tile * dv_pairs());
    dk_ = scratch.take<float>(tile * d_pitch_);
    dv_sum_ = scratch.take<float>(tile * dv_pitch_);
    p_rows_ = scratch.take<uint16_t>(tile * kRows);
    ds_rows_ = scratch.take<uint16_t>(tile * kRows);
    ds_ = scratch.take<uint32_t>(tile / 2 * strip_);
    s_ = scratch.take<float>(tile * strip_);
    dp_ = scratch.take<float>(tile * strip_);
    keep_ = scratch.take<uint32_t>(tile);
    q_ = scratch.take<uint32_t>(d_pairs() * strip_);
    dout_ = scratch.take<uint32_t>(dv_pairs() * strip_);
    q_pairs_ = scratch.take<uint32_t>(kRows / 2 * d_pitch_);
    dout_pairs_ = scratch.take<uint32_t>(kRows / 2 * dv_pitch_);
    lse2_ = scratch.take<float>(strip_);
    delta_ = scratch.take<float>(strip_);
    ones_ = scratch.take<float>(strip_);
    std::fill(ones_, ones_ + strip_, 1.0f);
    // What is behind D and Dv enters sums that nobody reads, but may not slow them down.
    std::memset(q_pairs_, 0, sizeof(uint32_t) * static_cast<size_t>(kRows / 2 * d_pitch_));
    std::memset(dout_pairs_, 0, sizeof(uint32_t) * static_cast<size_t>(kRows / 2 * dv_pitch_));
  }

  void run_tile(int32_t key, int keys) {
    load_tile(key, keys);
    std::fill(dk_, dk_ + keys * d_pitch_, 0.0f);
    std::fill(dv_sum_, dv_sum_ + keys * dv_pitch_, 0.0f);
    for_rows(kRows, key, keys, [&](int64_t row) { run_block(row, key, keys); });
    store_gradients(key, keys, dk_, dv_sum_);
  }

  void load_tile(int32_t key, int keys) {
    const char* rows[kTileKv];
    kv_rows(problem_.v, {}, entry_, group_.kv_head, key, keys, rows);
    copy_pairs(rows, keys, dv_, v_);
    kv_rows(problem_.k, {}, entry_, group_.kv_head, key, keys, rows);
    copy_pairs(rows, keys, d_, k_);
    pair_keys(kernels_, rows, keys, d_, d_pitch_, k_pairs_);
  }

  void run_block(int64_t row, int32_t key, int keys) {
    StripRange ranges[kMostStrips];
    int seen = 0;
    for (int x = 0; x < block_.strips; ++x) {
      ranges[x] = strip_range(block_, x, key, keys);
      seen = std::max(seen, ranges[x].keys);
    }
    for (int x = 0; x < block_.strips; ++x) {
      if (ranges[x].keys > 0) run_strip(x, row + x * strip_, key, ranges[x]);
      clear_rows(x, ranges[x].keys, seen);
      load_row_pairs(x);
    }
    int rows = block_.strips * strip_;
    add_products(p_rows_, rows, dout_pairs_, dv_pitch_, seen, dv_sum_);
    add_products(ds_rows_, rows, q_pairs_, d_pitch_, seen, dk_);
  }

  void run_strip(int x, int64_t row, int32_t key, const StripRange& range) {
    load_row_values(x, lse2_, delta_);
    load_pair_strip(kernels_, problem_.q, entry_, block_, x, d_, q_);
    load_pair_strip(kernels_, problem_.dout, entry_, block_, x, dv_, dout_);
    int keys = range.keys;
    kernels_.gemm({s_, strip_, k_, d_pairs(), 1, q_, strip_, keys, d_, nullptr});
    kernels_.gemm({dp_, strip_, v_, dv_pairs(), 1, dout_, strip_, keys, dv_, nullptr});
    probabilities(x, key, range);
    // dq[i][row] += sum over keys of k[key][i] * ds[key][row]
    float* dq = query_gradient(run_.dq, row, d_);
    kernels_.gemm({dq, strip_, k_pairs_, 1, d_pitch_, ds_, strip_, d_, keys, ones_});
  }

  void probabilities(int x, int32_t key, const StripRange& range) {
    BackwardStep step = step_of(x, key, range, keep_);
    step.scores.s = s_;
    step.dp = dp_;
    step.lse2 = lse2_;
    step.delta = delta_;
    kernels_.backward_step({step, p_rows_ + x * strip_, ds_rows_ + x * strip_, kRows, ds_});
  }

  // Keys that only other strips of the block see.
  void clear_rows(int x, int begin, int end) {
    size_t bytes = sizeof(uint16_t) * static_cast<size_t>(strip_);
    for (int j = begin; j < end; ++j) {
      std::memset(p_rows_ + j * kRows + x * strip_, 0, bytes);
      std::memset(ds_rows_ + j * kRows + x * strip_, 0, bytes);
    }
  }

  // q and dout of a strip in pairs of rows.
  void load_row_pairs(int x) {
    const uint16_t *q[kMaxStrip], *dout[kMaxStrip];
    strip_rows(problem_.q, entry_, block_, x, q);
    strip_rows(problem_.dout, entry_, block_, x, dout);
    for (int r = 0; r < strip_; r += 2) {
      int pair = (x * strip_ + r) / 2;
      kernels_.pair_rows(q[r], q[r + 1], d_, q_pairs_ + pair * d_pitch_);
      kernels_.pair_rows(dout[r], dout[r + 1], dv_, dout_pairs_ + pair * dv_pitch_);
    }
  }

  // gradient[key][dim] += sum over rows of weights[key][row] * values[row][dim]
  void add_products(const uint16_t* weights, int rows, const uint32_t* values, int pitch, int keys,
                    float* gradient) {
    const uint32_t* pairs = reinterpret_cast<const uint32_t*>(weights);
    for (int i = 0; i < pitch; i += strip_) {
      kernels_.gemm(
          {gradient + i, pitch, pairs, kRows / 2, 1, values + i, pitch, keys, rows, ones_});
    }
  }

  const PairKernels& kernels_;
  uint32_t *k_, *k_pairs_, *v_;      // [keys][D/2], [keys/2][d_pitch], [keys][Dv/2]
  float *dk_, *dv_sum_;              // [keys][pitch]
  uint16_t *p_rows_, *ds_rows_;      // [keys][kRows]
  uint32_t* ds_;                     // [keys/2][strip]
  float *s_, *dp_;                   // [keys][strip]
  uint32_t* keep_;                   // [keys]
  uint32_t *q_, *dout_;              // [D/2][strip], of one strip
  uint32_t *q_pairs_, *dout_pairs_;  // [kRows/2][pitch]
  float *lse2_, *delta_, *ones_;     // [strip]
};

}  // namespace

void run_pair_backward(const BackwardRun& run, const BackwardWork& work) {
  PairBackwardTask(run, work).run();
}

}  // namespace fa::cpu
