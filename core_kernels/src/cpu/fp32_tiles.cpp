// Tiles of keys and values converted to fp32, for every dtype and unit.

#include "cpu/forward_tiles.h"

namespace fa::cpu {

Fp32Tiles::Fp32Tiles(const TaskRows& task)
    : task_(task),
      strip_(task.isa.strip),
      d_(task.problem.geometry.head_dim),
      dv_(task.problem.geometry.value_dim),
      v_pitch_(dv_ + kTilePadding) {}

int64_t Fp32Tiles::bytes() const {
  int64_t rows = int64_t{task_.block.strips} * strip_;
  return Scratch::bytes<float>(rows * d_) + Scratch::bytes<float>(rows * dv_) +
         Scratch::bytes<float>(kTileKv * d_) + Scratch::bytes<float>(kTileKv * v_pitch_) +
         Scratch::bytes<float>(kTileKv * strip_);
}

void Fp32Tiles::take(Scratch* scratch) {
  int64_t rows = int64_t{task_.block.strips} * strip_;
  q_ = scratch->take<float>(rows * d_);
  qv_ = scratch->take<float>(rows * dv_);
  k_ = scratch->take<float>(kTileKv * d_);
  v_ = scratch->take<float>(kTileKv * v_pitch_);
  s_ = scratch->take<float>(kTileKv * strip_);
}

void Fp32Tiles::load_queries() {
  const TokenView& qv = task_.problem.qv;
  const float qv_factor = task_.qv_factor();
  for (int x = 0; x < task_.block.strips; ++x) {
    load_strip(task_.isa, task_.queries, task_.entry, task_.block, x, d_, q_ + x * d_ * strip_);
    if (!qv.data) continue;
    float* strip = qv_ + x * dv_ * strip_;
    load_strip(task_.isa, qv, task_.entry, task_.block, x, dv_, strip);
    for (int i = 0; i < dv_ * strip_; ++i) strip[i] *= qv_factor;
  }
}

void Fp32Tiles::load(const TileRows& tile, const TileRows&) {
  const ForwardProblem& p = task_.problem;
  for (int j = 0; j < tile.keys; ++j) {
    task_.isa.load_row(tile.k[j], p.k.dtype, d_, k_ + j * d_);
    task_.isa.load_row(tile.v[j], p.v.dtype, dv_, v_ + j * v_pitch_);
  }
}

// s = k . q (+ v . qv)
float* Fp32Tiles::multiply_keys(int x, int keys) {
  const float* q = q_ + x * d_ * strip_;
  task_.isa.gemm({s_, strip_, 0, k_, d_, 1, q, strip_, 0, keys, d_, 1, false});
  if (task_.problem.qv.data) {
    const float* qv = qv_ + x * dv_ * strip_;
    task_.isa.gemm({s_, strip_, 0, v_, v_pitch_, 1, qv, strip_, 0, keys, dv_, 1, true});
  }
  return s_;
}

void Fp32Tiles::attend(const Scores& scores, const Keep& keep, const StripState& state) {
  task_.isa.softmax_step({scores, strip_, state.m, state.l, state.o, dv_, nullptr});
  if (keep.bits) task_.isa.apply_keep(s_, scores.keys, keep.bits, keep.scale);
  // o[i][row] += sum over keys of v[key][i] * p[key][row]
  task_.isa.gemm({state.o, strip_, 0, v_, 1, v_pitch_, s_, strip_, 0, dv_, scores.keys, 1, true});
}

}  // namespace fa::cpu
