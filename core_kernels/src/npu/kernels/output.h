#pragma once

// The output of a task, resident in UB: rescaled and added to unit by unit, divided and stored at
// the end, with its LSE.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/alibi.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/head_scales.h"
#include "npu/kernels/row_store.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/sink.h"
#include "npu/kernels/softmax.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename Config>
class Output {
 public:
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline Output(const ForwardArgs& args, UbBuffers<Config>& ub)
      : split_(args.splits.count > 1),
        out_(args.out, args.value_dim),
        partial_(args.splits.out, args.value_dim, args.splits.out_stride),
        lse_(split_ ? args.splits.lse : args.lse, 1, args.splits.lse_stride),
        sinks_(args.sink),
        slopes_(args.alibi),
        pitch_(round_up(args.value_dim, Arch::kFractal)),
        empty_lse_(split_ ? kMinusInfinity : args.empty_lse),
        kept_(args.dropout.kept),
        scales_(args.v_scale),
        ub_(ub) {
    for (int32_t slot = 0; slot < Layout::kSlots && !kShared; ++slot) {
      set_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    }
    set_event<Event::MTE3_V>(UbOutEvent::kOut);
    if constexpr (!Layout::kLseInSpread) set_event<Event::MTE3_V>(UbOutEvent::kLse);
    set_event<Event::V_S>(ScalarEvent::kSinks);
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots && !kShared; ++slot) {
      wait_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    }
    wait_event<Event::MTE3_V>(UbOutEvent::kOut);
    if constexpr (!Layout::kLseInSpread) wait_event<Event::MTE3_V>(UbOutEvent::kLse);
    wait_event<Event::V_S>(ScalarEvent::kSinks);
  }

  // Elements from row to row, of what the cube core hands over too.
  __aicore__ inline int32_t pitch() const { return pitch_; }

  // Of a task without keys.
  __aicore__ inline void clear(int32_t rows) {
    wait_event<Event::MTE3_V>(UbOutEvent::kOut);
    AscendC::Duplicate(ub_.out, 0.0f, rows * pitch_);
    vector_barrier();
  }

  // out *= alpha
  __aicore__ inline void rescale(int32_t unit_slot, Rows rows) {
    scale_rows(ub_.alpha[unit_slot], rows);
  }

  // out = partial, or out += partial. `partial`: the first of `count` rows in GM.
  __aicore__ inline void add(const AscendC::GlobalTensor<float>& partial, int32_t count,
                             bool first_unit) {
    if (first_unit) wait_event<Event::MTE3_V>(UbOutEvent::kOut);
    const int32_t step = Layout::kPartialElements / pitch_ / Arch::kBlockLanes * Arch::kBlockLanes;
    for (int32_t row = 0; row < count; row += step) {
      const Rows rows{row, lesser(step, count - row)};
      const int32_t elements = rows.count * pitch_;
      const AscendC::LocalTensor<float> out = ub_.out[rows.offset(pitch_)];
      wait_event<Event::V_MTE2>(kPlace, slot_);
      AscendC::DataCopy(ub_.partial[slot_], partial[rows.offset(pitch_)],
                        static_cast<uint32_t>(elements));
      set_event<Event::MTE2_V>(kPlace, slot_);
      wait_event<Event::MTE2_V>(kPlace, slot_);
      if (first_unit) {
        AscendC::Adds(out, ub_.partial[slot_], 0.0f, elements);
      } else {
        AscendC::Add(out, out, ub_.partial[slot_], elements);
      }
      set_event<Event::V_MTE2>(kPlace, slot_);
      slot_ = 1 - slot_;
    }
    vector_barrier();
  }

  // A sink is one more key with a score and without a value: of the first split, like a first key.
  __aicore__ inline void add_sinks(const Task& task, int32_t task_slot, Rows rows) {
    if (!sinks_.given() || task.split != 0) return;
    wait_event<Event::V_S>(ScalarEvent::kSinks);
    sinks_.write(ub_.sinks, task, rows);
    set_event<Event::S_V>(ScalarEvent::kSinks);
    wait_event<Event::S_V>(ScalarEvent::kSinks);
    const AscendC::LocalTensor<float>&shift = ub_.shift[task_slot], &sum = ub_.sum[task_slot];
    AscendC::Muls(ub_.new_shift, ub_.sinks, -1.0f, rows.count);
    vector_barrier();
    AscendC::Min(ub_.new_shift, ub_.new_shift, shift, rows.count);
    vector_barrier();
    AscendC::Sub(ub_.row_max[0], ub_.new_shift, shift, rows.count);
    AscendC::Add(ub_.row_sum, ub_.new_shift, ub_.sinks, rows.count);
    set_event<Event::V_S>(ScalarEvent::kSinks);
    vector_barrier();
    AscendC::Exp(ub_.row_max[0], ub_.row_max[0], rows.count);
    AscendC::Exp(ub_.row_sum, ub_.row_sum, rows.count);
    AscendC::Adds(shift, ub_.new_shift, 0.0f, rows.count);
    vector_barrier();
    AscendC::Mul(sum, sum, ub_.row_max[0], rows.count);
    vector_barrier();
    AscendC::Add(sum, sum, ub_.row_sum, rows.count);
    scale_rows(ub_.row_max[0], rows);
  }

  // out /= sum, what dropout takes away is made up for, and codes become values. A row that sees a
  // key has a sum of at least exp(0) = 1, any other one 0.
  __aicore__ inline void divide(const Task& task, int32_t task_slot, Rows rows) {
    AscendC::Maxs(ub_.row_sum, ub_.sum[task_slot], 1.0f, Layout::kRows);
    vector_barrier();
    spread_rows(ub_.spread, ub_.row_sum, rows.padded());
    vector_barrier();
    if constexpr (Config::kExtras) {
      float share = kept_;
      if constexpr (Config::kInt8) share /= scales_.at(task.batch, task.heads.kv_head);
      AscendC::Muls(ub_.spread, ub_.spread, share, rows.padded() * Arch::kBlockLanes);
      vector_barrier();
    }
    for (int32_t column = 0; column < pitch_; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> block = ub_.out[static_cast<uint32_t>(column)];
      AscendC::Div(block, block, ub_.spread, lanes_at(column), static_cast<uint8_t>(rows.count),
                   by_row(pitch_));
    }
    vector_barrier();
  }

  // Rounds the output in its place and stores it; until that is done nothing else may come there.
  // The output of a split stays in fp32.
  __aicore__ inline void store(const Task& task, Rows rows) {
    if (split_) {
      set_event<Event::V_MTE3>(UbOutEvent::kOut);
      wait_event<Event::V_MTE3>(UbOutEvent::kOut);
      partial_.store(ub_.out, task, rows,
                     pitch_ * static_cast<int32_t>(sizeof(float)) / Arch::kBlockBytes);
      return set_event<Event::MTE3_V>(UbOutEvent::kOut);
    }
    AscendC::Cast(ub_.rounded_out, ub_.out, AscendC::RoundMode::CAST_RINT,
                  static_cast<uint32_t>(rows.count * pitch_));
    set_event<Event::V_MTE3>(UbOutEvent::kOut);
    wait_event<Event::V_MTE3>(UbOutEvent::kOut);
    out_.store(ub_.rounded_out, task, rows,
               pitch_ * static_cast<int32_t>(sizeof(T)) / Arch::kBlockBytes);
    set_event<Event::MTE3_V>(UbOutEvent::kOut);
  }

  // max + ln(sum), or the given value for rows that see no key; after divide().
  __aicore__ inline void store_lse(const Task& task, int32_t task_slot, Rows rows) {
    if (!lse_.wanted()) return;
    AscendC::Ln(ub_.row_sum, ub_.row_sum, Layout::kRows);
    AscendC::CompareScalar(ub_.bits, ub_.sum[task_slot], 0.0f, AscendC::CMPMODE::GT,
                           Arch::kVectorLanes, kRowRepeats, AscendC::UnaryRepeatParams());
    vector_barrier();
    AscendC::Sub(ub_.row_sum, ub_.row_sum, ub_.shift[task_slot], Layout::kRows);
    vector_barrier();
    if constexpr (Config::kExtras) count_columns(task, rows);
    AscendC::Select(ub_.row_sum, ub_.bits, ub_.row_sum, empty_lse_,
                    AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE, Arch::kVectorLanes, kRowRepeats,
                    AscendC::BinaryRepeatParams());
    vector_barrier();
    if constexpr (!Layout::kLseInSpread) wait_event<Event::MTE3_V>(UbOutEvent::kLse);
    spread_rows(ub_.lse_spread, ub_.row_sum, rows.padded());
    set_event<Event::V_MTE3>(UbOutEvent::kLse);
    wait_event<Event::V_MTE3>(UbOutEvent::kLse);
    lse_.store(ub_.lse_spread, task, rows, 1);
    set_event<Event::MTE3_V>(UbOutEvent::kLse);
    if constexpr (Layout::kLseInSpread) wait_event<Event::MTE3_V>(UbOutEvent::kLse);
    vector_barrier();
  }

 private:
  static constexpr bool kShared = Layout::kPartialShared;
  static constexpr UbInEvent kPlace = kShared ? UbInEvent::kScores : UbInEvent::kPartial;

  // The LSE of a bias of slope * column, which differs by a number per row.
  __aicore__ inline void count_columns(const Task& task, Rows rows) {
    if (!slopes_.by_column()) return;
    wait_event<Event::V_S>(ScalarEvent::kSinks);
    slopes_.write_shifts(ub_.sinks, task, rows);
    set_event<Event::S_V>(ScalarEvent::kSinks);
    wait_event<Event::S_V>(ScalarEvent::kSinks);
    AscendC::Add(ub_.row_sum, ub_.row_sum, ub_.sinks, rows.count);
    set_event<Event::V_S>(ScalarEvent::kSinks);
    vector_barrier();
  }

  // out *= factor of its row
  __aicore__ inline void scale_rows(const AscendC::LocalTensor<float>& factors, Rows rows) {
    spread_rows(ub_.spread, factors, rows.padded());
    vector_barrier();
    for (int32_t column = 0; column < pitch_; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> block = ub_.out[static_cast<uint32_t>(column)];
      AscendC::Mul(block, block, ub_.spread, lanes_at(column), static_cast<uint8_t>(rows.count),
                   by_row(pitch_));
    }
    vector_barrier();
  }

  static constexpr uint8_t kRowRepeats = Layout::kRowRepeats;

  __aicore__ inline uint64_t lanes_at(int32_t column) const {
    return static_cast<uint64_t>(lesser(Arch::kVectorLanes, pitch_ - column));
  }

  bool split_;
  RowStore<T> out_;
  RowStore<float> partial_, lse_;
  SinkTable sinks_;
  AlibiSlopes slopes_;
  int32_t pitch_;
  float empty_lse_;
  float kept_;  // by dropout; 1 without it
  HeadScales scales_;
  UbBuffers<Config>& ub_;
  int32_t slot_ = 0;
};

}  // namespace fa::npu
