// Few rows: products with keys and values where the tensor has them.

#include <algorithm>

#include "cpu/forward_tiles.h"

namespace fa::cpu {
namespace {

// Whole vectors of every unit.
int round_up(int dim) { return (dim + kMaxStrip - 1) / kMaxStrip * kMaxStrip; }

}  // namespace

FewTiles::FewTiles(const TaskRows& task)
    : task_(task),
      strip_(task.isa.strip),
      rows_(task.block.rows),
      d_(task.problem.geometry.head_dim),
      dv_(task.problem.geometry.value_dim),
      d_pitch_(round_up(d_)),
      dv_pitch_(round_up(dv_)) {}

bool FewTiles::take_dtypes(const ForwardProblem& problem) {
  return problem.k.dtype != DType::kFloat8E4M3;
}

int64_t FewTiles::bytes() const {
  return Scratch::bytes<float>(strip_ * d_pitch_) + Scratch::bytes<float>(strip_ * dv_pitch_) +
         Scratch::bytes<float>(kKeys * strip_) + Scratch::bytes<float>(rows_ * dv_pitch_) +
         Scratch::bytes<float>(strip_);
}

void FewTiles::take(Scratch* scratch) {
  q_ = scratch->take<float>(strip_ * d_pitch_);
  qv_ = scratch->take<float>(strip_ * dv_pitch_);
  s_ = scratch->take<float>(kKeys * strip_);
  o_ = scratch->take<float>(rows_ * dv_pitch_);
  alpha_ = scratch->take<float>(strip_);
  std::fill(s_, s_ + kKeys * strip_, 0.0f);  // of which only some rows will be written
  std::fill(o_, o_ + rows_ * dv_pitch_, 0.0f);
}

void FewTiles::load_queries() {
  load_strip_rows(task_.isa, task_.queries, task_.entry, task_.block, 0, d_, d_pitch_, q_);
  const TokenView& qv = task_.problem.qv;
  if (!qv.data) return;
  load_strip_rows(task_.isa, qv, task_.entry, task_.block, 0, dv_, dv_pitch_, qv_);
  const float qv_factor = task_.qv_factor();
  for (int i = 0; i < strip_ * dv_pitch_; ++i) qv_[i] *= qv_factor;
}

void FewTiles::load(const TileRows& tile, const TileRows& next) {
  tile_ = tile;
  next_ = &next;
}

FewKeys FewTiles::keys(int count) const {
  return {tile_.k, count, next_->k, next_->keys, task_.problem.k.dtype, d_};
}

FewKeys FewTiles::values(int count) const {
  return {tile_.v, count, next_->v, next_->keys, task_.problem.v.dtype, dv_};
}

float* FewTiles::multiply_keys(int, int count) {
  task_.isa.few_scores({keys(count), q_, d_pitch_, rows_, s_, strip_, false});
  if (task_.problem.qv.data) {
    task_.isa.few_scores({values(count), qv_, dv_pitch_, rows_, s_, strip_, true});
  }
  return s_;
}

void FewTiles::attend(const Scores& scores, const Keep& keep, const StripState& state) {
  task_.isa.softmax_step({scores, rows_, state.m, state.l, nullptr, 0, alpha_});
  if (keep.bits) task_.isa.apply_keep(s_, scores.keys, keep.bits, keep.scale);
  task_.isa.few_values({values(scores.keys), s_, strip_, alpha_, rows_, o_, dv_pitch_});
}

void FewTiles::finish(const StripState& state) {
  for (int r = 0; r < rows_; ++r) {
    for (int i = 0; i < dv_; ++i) state.o[i * strip_ + r] = o_[r * dv_pitch_ + i];
  }
}

}  // namespace fa::cpu
