// Few rows of bf16: products of pairs with keys and values where the tensor has them.

#include <algorithm>
#include <cstring>

#include "cpu/forward_tiles.h"

namespace fa::cpu {
namespace {

int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// Whole pairs of vectors, of q as of o.
int pitch(int dim) { return round_up(dim, 32); }

}  // namespace

FewPairTiles::FewPairTiles(const TaskRows& task)
    : task_(task),
      kernels_(*task.isa.pairs),
      strip_(kernels_.strip),
      rows_(round_up(task.block.rows, kFewPairRows)),
      d_(task.problem.geometry.head_dim),
      dv_(task.problem.geometry.value_dim),
      d_pitch_(pitch(d_)),
      dv_pitch_(pitch(dv_)) {}

int64_t FewPairTiles::bytes() const {
  return Scratch::bytes<uint32_t>(rows_ * d_pitch_ / 2) +
         Scratch::bytes<uint32_t>(rows_ * dv_pitch_ / 2) + Scratch::bytes<float>(kKeys * strip_) +
         Scratch::bytes<float>(rows_ * dv_pitch_) + Scratch::bytes<float>(strip_);
}

void FewPairTiles::take(Scratch* scratch) {
  q_ = scratch->take<uint32_t>(rows_ * d_pitch_ / 2);
  qv_ = scratch->take<uint32_t>(rows_ * dv_pitch_ / 2);
  s_ = scratch->take<float>(kKeys * strip_);
  o_ = scratch->take<float>(rows_ * dv_pitch_);
  alpha_ = scratch->take<float>(strip_);
  std::fill(s_, s_ + kKeys * strip_, 0.0f);  // of which only some rows will be written
  std::fill(o_, o_ + rows_ * dv_pitch_, 0.0f);
}

void FewPairTiles::load_queries() {
  load_pair_rows(task_.queries, task_.entry, task_.block, rows_, d_, d_pitch_ / 2, q_);
  const TokenView& qv = task_.problem.qv;
  if (!qv.data) return;
  load_pair_rows(qv, task_.entry, task_.block, rows_, dv_, dv_pitch_ / 2, qv_);
}

void FewPairTiles::load(const TileRows& tile, const TileRows& next) {
  tile_ = tile;
  next_ = &next;
}

FewKeys FewPairTiles::keys(int count) const {
  return {tile_.k, count, next_->k, next_->keys, DType::kBFloat16, d_};
}

FewKeys FewPairTiles::values(int count) const {
  return {tile_.v, count, next_->v, next_->keys, DType::kBFloat16, dv_};
}

float* FewPairTiles::multiply_keys(int, int count) {
  kernels_.few_scores({keys(count), q_, d_pitch_ / 2, rows_, s_, false});
  if (task_.problem.qv.data) {
    kernels_.few_scores({values(count), qv_, dv_pitch_ / 2, rows_, s_, true});
  }
  return s_;
}

void FewPairTiles::attend(const Scores& scores, const Keep& keep, const StripState& state) {
  uint32_t* p = reinterpret_cast<uint32_t*>(s_);
  kernels_.softmax_step({scores, state.m, state.l, alpha_, keep.bits, keep.scale, p});
  int count = scores.keys;
  if (count % 2 != 0) tile_.v[count++] = kZeroRow;  // p of a missing partner is 0, too
  kernels_.few_values({values(count), p, alpha_, rows_, o_, dv_pitch_});
}

void FewPairTiles::finish(const StripState& state) {
  for (int r = 0; r < task_.block.rows; ++r) {
    for (int i = 0; i < dv_; ++i) state.o[i * strip_ + r] = o_[r * dv_pitch_ + i];
  }
}

}  // namespace fa::cpu
