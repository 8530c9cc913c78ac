// Tiles of bf16 keys and values as pairs, for units with dot products of bf16.

#include <algorithm>

#include "cpu/forward_tiles.h"

namespace fa::cpu {
PairTiles::PairTiles(const TaskRows& task)
    : task_(task),
      kernels_(*task.isa.pairs),
      strip_(kernels_.strip),
      d_(task.problem.geometry.head_dim),
      dv_(task.problem.geometry.value_dim),
      d_pairs_((d_ + 1) / 2),
      dv_pairs_((dv_ + 1) / 2),
      has_qv_(task.problem.qv.data != nullptr) {}

bool PairTiles::take_dtypes(const ForwardProblem& problem) {
  return problem.q_dtype == DType::kBFloat16 && problem.k.dtype == DType::kBFloat16 &&
         problem.v.dtype == DType::kBFloat16;
}

int64_t PairTiles::bytes() const {
  int64_t rows = int64_t{task_.block.strips} * strip_;
  int64_t of_qv =
      Scratch::bytes<uint32_t>(rows * dv_pairs_) + Scratch::bytes<uint32_t>(kTileKv * dv_pairs_);
  return Scratch::bytes<uint32_t>(rows * d_pairs_) + Scratch::bytes<uint32_t>(kTileKv * d_pairs_) +
         Scratch::bytes<uint32_t>(kTileKv / 2 * dv_) + Scratch::bytes<float>(kTileKv * strip_) +
         Scratch::bytes<float>(strip_) + (has_qv_ ? of_qv : 0);
}

void PairTiles::take(Scratch* scratch) {
  int64_t rows = int64_t{task_.block.strips} * strip_;
  q_ = scratch->take<uint32_t>(rows * d_pairs_);
  k_ = scratch->take<uint32_t>(kTileKv * d_pairs_);
  v_ = scratch->take<uint32_t>(kTileKv / 2 * dv_);
  s_ = scratch->take<float>(kTileKv * strip_);
  factor_ = scratch->take<float>(strip_);
  if (!has_qv_) return;
  qv_ = scratch->take<uint32_t>(rows * dv_pairs_);
  v_rows_ = scratch->take<uint32_t>(kTileKv * dv_pairs_);
}

void PairTiles::load_queries() {
  for (int x = 0; x < task_.block.strips; ++x) {
    uint32_t* q = q_ + x * d_pairs_ * strip_;
    load_pair_strip(kernels_, task_.queries, task_.entry, task_.block, x, d_, q);
    if (!has_qv_) continue;
    uint32_t* qv = qv_ + x * dv_pairs_ * strip_;
    load_pair_strip(kernels_, task_.problem.qv, task_.entry, task_.block, x, dv_, qv);
  }
}

void PairTiles::load(const TileRows& tile, const TileRows&) {
  copy_pairs(tile.k, tile.keys, d_, k_);
  if (has_qv_) copy_pairs(tile.v, tile.keys, dv_, v_rows_);
  pair_keys(kernels_, tile.v, tile.keys, dv_, dv_, v_);
}

float* PairTiles::multiply_keys(int x, int keys) {
  const uint32_t* q = q_ + x * d_pairs_ * strip_;
  kernels_.gemm({s_, strip_, k_, d_pairs_, 1, q, strip_, keys, d_, nullptr});
  if (has_qv_) {
    const uint32_t* qv = qv_ + x * dv_pairs_ * strip_;
    std::fill(factor_, factor_ + strip_, 1.0f);
    kernels_.gemm({s_, strip_, v_rows_, dv_pairs_, 1, qv, strip_, keys, dv_, factor_});
  }
  return s_;
}

void PairTiles::attend(const Scores& scores, const Keep& keep, const StripState& state) {
  uint32_t* p = reinterpret_cast<uint32_t*>(s_);
  kernels_.softmax_step({scores, state.m, state.l, factor_, keep.bits, keep.scale, p});
  // o[i][row] = o[i][row] * alpha[row] + sum over keys of v[key][i] * p[key][row]
  kernels_.gemm({state.o, strip_, v_, 1, dv_, p, strip_, dv_, scores.keys, factor_});
}

}  // namespace fa::cpu
