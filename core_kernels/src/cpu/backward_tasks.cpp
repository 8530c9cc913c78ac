#include "cpu/backward_tasks.h"

#include <cmath>
#include <limits>

namespace fa::cpu {
namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

BackwardTask::BackwardTask(const BackwardRun& run, const BackwardWork& work)
    : run_(run),
      problem_(run.problem),
      geometry_(run.problem.geometry),
      work_(work),
      entry_(geometry_.entries[static_cast<size_t>(work.entry)]),
      group_{geometry_.group, work.kv_head, work.kv_head * geometry_.group},
      strip_(run.strip),
      d_(geometry_.head_dim),
      dv_(geometry_.value_dim),
      d_pitch_(round_up(d_, strip_)),
      dv_pitch_(round_up(dv_, strip_)) {}

void BackwardTask::load_row_values(int strip_index, float* lse2, float* delta) const {
  for (int r = 0; r < strip_; ++r) {
    lse2[r] = kInfinity;
    delta[r] = 0;
    int row = strip_index * strip_ + r;
    if (row >= block_.rows) continue;
    PackedRow id = block_.id[row];
    int64_t token = entry_.q_begin + id.q_index;
    float lse = problem_.lse.at(entry_.q_row, token, id.q_head);
    if (std::isinf(lse)) continue;
    if (geometry_.alibi_by_column) lse -= block_.slope[row] * block_.diagonal[row];
    lse2[r] = lse * kLog2E;
    delta[r] = run_.delta.at(entry_.q_row, token, id.q_head);
  }
}

BackwardStep BackwardTask::step_of(int strip_index, int32_t key, const StripRange& range,
                                   uint32_t* keep) const {
  const bool alibi = geometry_.alibi.data != nullptr, dropout = geometry_.dropout.p > 0;
  const int first = strip_index * strip_;
  if (dropout) fill_keep(geometry_, work_.entry, block_, strip_index, key, range.keys, keep);
  BackwardStep step = {};
  step.scores.keys = range.keys;
  step.scores.key_begin = key;
  step.scores.lo = block_.lo + first;
  step.scores.hi = block_.hi + first;
  step.scores.edge = range.edge;
  step.scores.scale = geometry_.scale;
  step.scores.softcap = geometry_.softcap;
  step.scores.slope = alibi ? block_.slope + first : nullptr;
  step.scores.diagonal = alibi ? block_.diagonal + first : nullptr;
  step.keep = dropout ? keep : nullptr;
  step.keep_scale = static_cast<float>(1.0 / (1.0 - geometry_.dropout.p));
  return step;
}

float* BackwardTask::query_gradient(float* buffer, int64_t row, int dim) const {
  int64_t first = run_.head_first_row(work_.entry, group_.kv_head) + row;
  return buffer + (work_.split * run_.rows + first) * dim;
}

void BackwardTask::store_gradients(int32_t key, int keys, const float* dk, const float* dv) const {
  for (int j = 0; j < keys; ++j) {
    int64_t token = entry_.kv_begin + key + j;
    run_.isa.store_row(dk + j * d_pitch_, problem_.dk.dtype, d_,
                       problem_.dk.at(entry_.kv_row, token, group_.kv_head));
    run_.isa.store_row(dv + j * dv_pitch_, problem_.dv.dtype, dv_,
                       problem_.dv.at(entry_.kv_row, token, group_.kv_head));
  }
}

}  // namespace fa::cpu
