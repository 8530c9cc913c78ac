// Backward tasks in fp32, for every dtype and unit: strips of rows go over a tile of keys.

#include <algorithm>
#include <cstring>

#include "cpu/backward_tasks.h"
#include "cpu/scratch.h"

namespace fa::cpu {
namespace {

// Tiles and strips of one task, see microkernel.h for the layouts.
struct Buffers {
  float *k, *v, *dk, *dv;  // [kTileKv][...]; gradients have padded rows
  float *q, *q_rows, *dout, *dout_rows;
  float *qv, *qv_rows;
  float *s, *dp, *lse2, *delta;
  uint32_t* keep;
};

class Fp32BackwardTask : BackwardTask {
 public:
  Fp32BackwardTask(const BackwardRun& run, const BackwardWork& work)
      : BackwardTask(run, work),
        isa_(run.isa),
        k_pitch_(d_ + kTilePadding),
        v_pitch_(dv_ + kTilePadding),
        has_qv_(problem_.qv.data != nullptr) {
    take_buffers();
  }

  void run() {
    for_tiles([this](int32_t key, int keys) { run_tile(key, keys); });
  }

 private:
  void take_buffers() {
    Scratch& scratch = local_scratch();
    int64_t tile = kTileKv, strip = strip_;
    int64_t floats = tile * (k_pitch_ + v_pitch_ + d_pitch_ + dv_pitch_ + 2 * strip + 1) +
                     strip * (d_ + 2 * dv_ + d_pitch_ + 2 * dv_pitch_ + 2);
    scratch.reset(floats * 4 + 16 * 64);
    Buffers& b = buffers_;
    b.k = scratch.take<float>(tile * k_pitch_);
    b.v = scratch.take<float>(tile * v_pitch_);
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
    load_kv_tile(isa_, problem_.k, {}, entry_, group_.kv_head, key, keys, d_, k_pitch_, buffers_.k);
    load_kv_tile(isa_, problem_.v, {}, entry_, group_.kv_head, key, keys, dv_, v_pitch_,
                 buffers_.v);
    std::memset(buffers_.dk, 0, sizeof(float) * static_cast<size_t>(keys * d_pitch_));
    std::memset(buffers_.dv, 0, sizeof(float) * static_cast<size_t>(keys * dv_pitch_));
    for_rows(strip_, key, keys, [&](int64_t row) {
      StripRange range = strip_range(block_, 0, key, keys);
      if (range.keys > 0) run_strip(row, key, range);
    });
    store_gradients(key, keys, buffers_.dk, buffers_.dv);
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
    load_row_values(0, buffers_.lse2, buffers_.delta);
    load_queries();
    int keys = range.keys;
    multiply_keys(buffers_.s, buffers_.k, d_, k_pitch_, buffers_.q, keys, false);
    if (has_qv_) multiply_keys(buffers_.s, buffers_.v, dv_, v_pitch_, buffers_.qv, keys, true);
    multiply_keys(buffers_.dp, buffers_.v, dv_, v_pitch_, buffers_.dout, keys, false);
    probabilities(key, range);
    multiply_rows(buffers_.dv, dv_pitch_, buffers_.s, buffers_.dout_rows, keys);
    multiply_rows(buffers_.dk, d_pitch_, buffers_.dp, buffers_.q_rows, keys);
    multiply_dims(query_gradient(run_.dq, row, d_), buffers_.k, d_, k_pitch_, keys);
    if (!has_qv_) return;
    multiply_rows(buffers_.dv, dv_pitch_, buffers_.dp, buffers_.qv_rows, keys);
    multiply_dims(query_gradient(run_.dqv, row, dv_), buffers_.v, dv_, v_pitch_, keys);
  }

  void probabilities(int32_t key, const StripRange& range) {
    BackwardStep step = step_of(0, key, range, buffers_.keep);
    step.scores.s = buffers_.s;
    step.dp = buffers_.dp;
    step.lse2 = buffers_.lse2;
    step.delta = buffers_.delta;
    isa_.backward_step(step);
  }

  // c[key][row] (+)= tile[key] . strip[row]
  void multiply_keys(float* c, const float* tile, int dim, int pitch, const float* strip, int keys,
                     bool accumulate) {
    isa_.gemm({c, strip_, 0, tile, pitch, 1, strip, strip_, 0, keys, dim, 1, accumulate});
  }

  // gradient[key][dim] += sum over rows of weights[key][row] * rows[row][dim]
  void multiply_rows(float* gradient, int pitch, const float* weights, const float* rows,
                     int keys) {
    isa_.gemm({gradient, pitch, strip_, weights, strip_, 1, rows, pitch, strip_, keys, strip_,
               pitch / strip_, true});
  }

  // gradient[dim][row] += sum over keys of tile[key][dim] * ds[key][row]
  void multiply_dims(float* gradient, const float* tile, int dim, int pitch, int keys) {
    isa_.gemm({gradient, strip_, 0, tile, 1, pitch, buffers_.dp, strip_, 0, dim, keys, 1, true});
  }

  const Microkernels& isa_;
  const int k_pitch_, v_pitch_;
  const bool has_qv_;
  Buffers buffers_;
};

}  // namespace

void run_fp32_backward(const BackwardRun& run, const BackwardWork& work) {
  Fp32BackwardTask(run, work).run();
}

}  // namespace fa::cpu
