#pragma once

// A vector core: the softmax of its half of a unit's rows, and two units later their output.

#include "kernel_operator.h"
#include "npu/kernels/alibi.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/dropout.h"
#include "npu/kernels/dropout_probs.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/mask.h"
#include "npu/kernels/output.h"
#include "npu/kernels/softmax.h"
#include "npu/kernels/stack_caster.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename Config>
class VectorRole {
 public:
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;
  using Event = AscendC::HardEvent;
  static constexpr int32_t kStackKeys = Stack<Config>::kKeys;

  __aicore__ inline VectorRole(const ForwardArgs& args, const Schedule& schedule, int64_t core,
                               int64_t half)
      : workspace_(args.workspace, core),
        mask_(schedule, ub_),
        softmax_({args.scale, args.softcap, Config::kExtras && args.alibi.slopes != 0}, ub_),
        alibi_(args.alibi, ub_),
        dropout_(args, ub_),
        dropout_probs_(args, ub_),
        output_(args, ub_),
        scale_(args.scale),
        scales_(args.k_scale),
        caster_(args, static_cast<int32_t>(half), workspace_, ub_),
        half_(static_cast<int32_t>(half)) {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      set_event<Layout::kScoresFree>(UbInEvent::kScores, slot);
    }
    if constexpr (Layout::kProbsApart) set_event<Event::MTE3_V>(UbOutEvent::kProbs);
    ub_.clear_row_numbers();
    vector_barrier();
  }

  __aicore__ inline void turn(const Turn& turn) {
    if constexpr (Config::kInt8) cast_ahead(turn);
    if (turn.begins != nullptr) begin(*turn.begins);
    if (turn.ends != nullptr) end(*turn.ends);
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Layout::kScoresFree>(UbInEvent::kScores, slot);
    }
    if constexpr (Layout::kProbsApart) wait_event<Event::MTE3_V>(UbOutEvent::kProbs);
    mask_.drain();
    if constexpr (Config::kExtras) dropout_.drain();
    output_.drain();
    AscendC::PipeBarrier<PIPE_ALL>();
  }

  // What no sequence owns, after drain(): of every `step`th one from `first` on.
  __aicore__ inline void clear_unowned(int32_t first, int32_t step) {
    if constexpr (Config::kExtras) dropout_probs_.clear_unowned(first, step);
  }

 private:
  // Keys and values of the unit after this one, and before the first one its own.
  __aicore__ inline void cast_ahead(const Turn& turn) {
    if (turn.begins != nullptr && turn.begins->number == 0) {
      score_slot_ = caster_.cast(*turn.begins, score_slot_);
    }
    if (turn.begins_next != nullptr) score_slot_ = caster_.cast(*turn.begins_next, score_slot_);
  }

  // Probabilities of a unit.
  __aicore__ inline void begin(const Unit& unit) {
    const Rows own = own_rows(unit.task);
    if (unit.opens_task) open(unit, own);
    if (unit.keys == 0) return;
    wait_cross(CrossFlag::kScoresDone);
    const int32_t width = round_up(unit.keys, Arch::kVectorLanes);
    const int32_t step =
        lesser(Layout::kChunkRows, Layout::kChunk / width / Arch::kBlockLanes * Arch::kBlockLanes);
    if constexpr (Config::kExtras) dropout_.open_unit(unit);
    for (int32_t row = 0; row < own.count; row += step) {
      softmax_chunk(unit, own.first, {row, lesser(step, own.count - row)}, width);
    }
    set_cross<PIPE_MTE3>(CrossFlag::kProbsDone);
    if (own.count != 0) softmax_.accumulate(own, width, unit.task_slot(), unit.slot());
    if (unit.closes_task) mask_.close();
  }

  __aicore__ inline void open(const Unit& unit, Rows own) {
    softmax_.open_task(unit.task_slot());
    if constexpr (Config::kInt8) {
      softmax_.set_scale(scale_ * scales_.at(unit.task.batch, unit.task.heads.kv_head));
    }
    if constexpr (Config::kExtras) {
      if (unit.task.again) softmax_.open_with_maxima(unit.task_slot());
      if (unit.task.again && own.count != 0) dropout_probs_.clear(unit.task, own);
    }
    if (unit.keys == 0) return;
    mask_.open(unit.task, own);
    if constexpr (Config::kExtras) dropout_.open(unit.task, own);
  }

  // Output of a unit, and at its end that of the task; a task that comes again has had its own.
  __aicore__ inline void end(const Unit& unit) {
    const Rows own = own_rows(unit.task);
    if (unit.keys != 0) wait_cross(CrossFlag::kPartialDone);
    if (own.count == 0 || unit.task.again) return;
    if (unit.keys == 0) {
      output_.clear(own.count);
    } else {
      if (!unit.opens_task) output_.rescale(unit.slot(), own);
      output_.add(workspace_.partial[unit.slot()][own.offset(output_.pitch())], own.count,
                  unit.opens_task);
    }
    if (unit.closes_task) finish(unit, own);
  }

  // The rows of a task are shared out to both vector cores in eights.
  __aicore__ inline Rows own_rows(const Task& task) const {
    const int32_t share = round_up((task.rows + 1) / 2, Arch::kBlockLanes);
    const int32_t first = lesser(task.rows, half_ * share);
    return {first, lesser(share, task.rows - first)};
  }

  __aicore__ inline void softmax_chunk(const Unit& unit, int32_t own, Rows rows, int32_t width) {
    const AscendC::LocalTensor<float>& scores = ub_.scores[score_slot_];
    const uint32_t at = static_cast<uint32_t>((own + rows.first) * kStackKeys);
    load_scores(workspace_.scores[unit.slot()][at], rows.count, width);
    softmax_.scale(scores, rows.count * width);
    if constexpr (Config::kExtras) alibi_.apply(scores, unit, own, rows, width);
    mask_.apply(scores, unit, own, rows, width);
    softmax_.exponentiate(scores, rows, width, unit.task_slot(), unit.slot());
    softmax_.fold_sums(scores, rows, width);
    if constexpr (Config::kExtras) dropout_.apply(scores, unit, rows, width);
    if constexpr (Layout::kProbsApart) wait_event<Event::MTE3_V>(UbOutEvent::kProbs);
    AscendC::Cast(ub_.probs[score_slot_], scores, AscendC::RoundMode::CAST_RINT,
                  static_cast<uint32_t>(rows.count * width));
    if constexpr (Layout::kProbsApart) set_event<Event::V_MTE2>(UbInEvent::kScores, score_slot_);
    store_probs(unit, own, rows, width);
    score_slot_ = 1 - score_slot_;
  }

  __aicore__ inline void load_scores(const AscendC::GlobalTensor<float>& from, int32_t rows,
                                     int32_t width) {
    constexpr int32_t kPerBlock = Arch::kBlockBytes / static_cast<int32_t>(sizeof(float));
    wait_event<Layout::kScoresFree>(UbInEvent::kScores, score_slot_);
    AscendC::DataCopy(ub_.scores[score_slot_], from,
                      AscendC::DataCopyParams(
                          static_cast<uint16_t>(rows), static_cast<uint16_t>(width / kPerBlock),
                          static_cast<uint16_t>((kStackKeys - width) / kPerBlock), 0));
    set_event<Event::MTE2_V>(UbInEvent::kScores, score_slot_);
    wait_event<Event::MTE2_V>(UbInEvent::kScores, score_slot_);
  }

  __aicore__ inline void store_probs(const Unit& unit, int32_t own, Rows rows, int32_t width) {
    constexpr int32_t kPerBlock = Arch::kBlockBytes / static_cast<int32_t>(sizeof(T));
    set_event<Event::V_MTE3>(UbOutEvent::kProbs, score_slot_);
    wait_event<Event::V_MTE3>(UbOutEvent::kProbs, score_slot_);
    const Rows of_task{own + rows.first, rows.count};
    AscendC::DataCopy(
        workspace_.probs[unit.slot()][of_task.offset(kStackKeys)], ub_.probs[score_slot_],
        AscendC::DataCopyParams(static_cast<uint16_t>(rows.count),
                                static_cast<uint16_t>(width / kPerBlock), 0,
                                static_cast<uint16_t>((kStackKeys - width) / kPerBlock)));
    if constexpr (Config::kExtras) {
      if (unit.task.again) dropout_probs_.store(ub_.probs[score_slot_], unit, of_task, width);
    }
    if constexpr (Layout::kProbsApart) {
      set_event<Event::MTE3_V>(UbOutEvent::kProbs);
    } else {
      set_event<Event::MTE3_MTE2>(UbInEvent::kScores, score_slot_);
    }
  }

  __aicore__ inline void finish(const Unit& unit, Rows own) {
    output_.add_sinks(unit.task, unit.task_slot(), own);
    output_.divide(unit.task, unit.task_slot(), own);
    output_.store(unit.task, own);
    output_.store_lse(unit.task, unit.task_slot(), own);
  }

  Workspace<Config> workspace_;
  UbBuffers<Config> ub_;
  RowMask<Config> mask_;
  OnlineSoftmax<Config> softmax_;
  AlibiBias<Config> alibi_;
  DropoutMask<Config> dropout_;
  DropoutProbs<Config> dropout_probs_;
  Output<Config> output_;
  float scale_;
  HeadScales scales_;  // of keys
  StackCaster<Config> caster_;
  int32_t half_;
  int32_t score_slot_ = 0;
};

}  // namespace fa::npu
