// Few rows: products with keys and values where the tensor has them.

#include <algorithm>

#include "cpu/forward_tiles.h"

namespace fa::cpu {

FewRows::FewRows(const TaskRows& task, int strip, int rows, int pitch)
    : task_(task),
      strip_(strip),
      rows_(rows),
      d_(task.problem.geometry.head_dim),
      dv_(task.problem.geometry.value_dim),
      d_pitch_(round_up(d_, pitch)),
      dv_pitch_(round_up(dv_, pitch)) {}

int64_t FewRows::bytes_of_rows() const {
  return Scratch::bytes<float>(kKeys * strip_) + Scratch::bytes<float>(rows_ * dv_pitch_) +
         Scratch::bytes<float>(strip_);
}

void FewRows::take_rows(Scratch* scratch) {
  s_ = scratch->take<float>(kKeys * strip_);
  o_ = scratch->take<float>(rows_ * dv_pitch_);
  alpha_ = scratch->take<float>(strip_);
  std::fill(s_, s_ + kKeys * strip_, 0.0f);  // of which only some rows will be written
  std::fill(o_, o_ + rows_ * dv_pitch_, 0.0f);
}

void FewRows::load(const TileRows& tile, const TileRows& next) {
  tile_ = &tile;
  next_ = &next;
}

FewKeys FewRows::keys(int count) const {
  return {tile_->k, count, next_->k, next_->keys, task_.problem.k.dtype, d_};
}

FewKeys FewRows::values(int count) const {
  return {tile_->v, count, next_->v, next_->keys, task_.problem.v.dtype, dv_};
}

void FewRows::finish(const StripState& state) {
  for (int r = 0; r < task_.block.rows; ++r) {
    for (int i = 0; i < dv_; ++i) state.o[i * strip_ + r] = o_[r * dv_pitch_ + i];
  }
}

// Rows of whole vectors of every unit.
FewTiles::FewTiles(const TaskRows& task)
    : FewRows(task, task.isa.strip, task.block.rows, kMaxStrip) {}

bool FewTiles::take_dtypes(const ForwardProblem& problem) {
  return problem.k.dtype != DType::kFloat8E4M3;
}

int64_t FewTiles::bytes() const {
  return bytes_of_rows() + Scratch::bytes<float>(strip_ * d_pitch_) +
         Scratch::bytes<float>(strip_ * dv_pitch_);
}

void FewTiles::take(Scratch* scratch) {
  take_rows(scratch);
  q_ = scratch->take<float>(strip_ * d_pitch_);
  qv_ = scratch->take<float>(strip_ * dv_pitch_);
}

void FewTiles::load_queries() {
  load_strip_rows(task_.isa, task_.queries, task_.entry, task_.block, 0, d_, d_pitch_, q_);
  const TokenView& qv = task_.problem.qv;
  if (!qv.data) return;
  load_strip_rows(task_.isa, qv, task_.entry, task_.block, 0, dv_, dv_pitch_, qv_);
  const float qv_factor = task_.qv_factor();
  for (int i = 0; i < strip_ * dv_pitch_; ++i) qv_[i] *= qv_factor;
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

}  // namespace fa::cpu
