// Few rows of bf16: products of pairs with keys and values where the tensor has them.

#include <algorithm>

#include "cpu/forward_tiles.h"

namespace fa::cpu {

// Rows of whole pairs of vectors.
FewPairTiles::FewPairTiles(const TaskRows& task)
    : FewRows(task, task.isa.pairs->strip, round_up(task.block.rows, kFewPairRows),
              2 * task.isa.pairs->strip),
      kernels_(*task.isa.pairs) {}

int64_t FewPairTiles::bytes() const {
  return bytes_of_rows() + Scratch::bytes<uint32_t>(rows_ * d_pitch_ / 2) +
         Scratch::bytes<uint32_t>(rows_ * dv_pitch_ / 2);
}

void FewPairTiles::take(Scratch* scratch) {
  take_rows(scratch);
  q_ = scratch->take<uint32_t>(rows_ * d_pitch_ / 2);
  qv_ = scratch->take<uint32_t>(rows_ * dv_pitch_ / 2);
}

void FewPairTiles::load_queries() {
  load_pair_rows(task_.queries, task_.entry, task_.block, rows_, d_, d_pitch_ / 2, q_);
  const TokenView& qv = task_.problem.qv;
  if (!qv.data) return;
  load_pair_rows(qv, task_.entry, task_.block, rows_, dv_, dv_pitch_ / 2, qv_);
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
  FewKeys v = values(scores.keys);
  const char* rows[kKeys];
  if (v.count % 2 != 0) {  // p of a missing partner is 0, too
    std::copy(v.rows, v.rows + v.count, rows);
    rows[v.count++] = kZeroRow;
    v.rows = rows;
  }
  kernels_.few_values({v, p, alpha_, rows_, o_, dv_pitch_});
}

}  // namespace fa::cpu
