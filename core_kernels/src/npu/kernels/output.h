#pragma once

// The output of a task, resident in UB: rescaled and added to unit by unit, divided and stored at
// the end, with its LSE.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/softmax.h"

namespace fa::npu {

// Stores rows of UB, `pitch_blocks` blocks each, to a tensor whose rows are (query, head) pairs.
template <typename E>
class RowStore {
 public:
  __aicore__ inline RowStore(const TensorArg& arg, int32_t columns) : arg_(arg), columns_(columns) {
    gm_.SetGlobalBuffer(reinterpret_cast<__gm__ E*>(arg.address));
  }

  __aicore__ inline bool wanted() const { return arg_.address != 0; }

  // `rows` of the task; the first one is the first of `from`.
  __aicore__ inline void store(const AscendC::LocalTensor<E>& from, const Task& task, Rows rows,
                               int32_t pitch_blocks) const {
    const int32_t size = task.heads.size;
    const int32_t row_elements = pitch_blocks * Arch::kBlockBytes / static_cast<int32_t>(sizeof(E));
    for (int32_t ahead = 0; ahead < lesser(size, rows.count); ++ahead) {
      const int32_t queries = (rows.count - 1 - ahead) / size + 1;
      copy(from[static_cast<uint32_t>(ahead * row_elements)], gm_[offset(task, rows.first + ahead)],
           queries, (size - 1) * pitch_blocks, size * row_elements);
    }
  }

 private:
  __aicore__ inline uint64_t offset(const Task& task, int32_t row) const {
    const PackedRow at = task.heads.row(row);
    const int64_t query = static_cast<int64_t>(task.q.first) + task.first_query + at.q_index;
    return static_cast<uint64_t>(task.batch * arg_.batch_stride + query * arg_.seq_stride +
                                 at.q_head * arg_.head_stride);
  }

  // Rows of one head: one copy if the distance between queries fits its field.
  __aicore__ inline void copy(const AscendC::LocalTensor<E>& from,
                              const AscendC::GlobalTensor<E>& to, int32_t queries,
                              int32_t gap_blocks, int32_t step_elements) const {
    const int64_t gap = (arg_.seq_stride - columns_) * static_cast<int64_t>(sizeof(E));
    const bool one_copy = queries == 1 || (gap >= 0 && gap <= UINT32_MAX);
    AscendC::DataCopyExtParams params;
    params.blockLen = static_cast<uint32_t>(columns_) * sizeof(E);
    params.blockCount = static_cast<uint16_t>(one_copy ? queries : 1);
    params.srcStride = static_cast<uint32_t>(one_copy && queries > 1 ? gap_blocks : 0);
    params.dstStride = static_cast<uint32_t>(one_copy && queries > 1 ? gap : 0);
    if (one_copy) return AscendC::DataCopyPad(to, from, params);
    for (int32_t query = 0; query < queries; ++query) {
      AscendC::DataCopyPad(to[static_cast<uint64_t>(query * arg_.seq_stride)],
                           from[static_cast<uint32_t>(query * step_elements)], params);
    }
  }

  TensorArg arg_;
  int32_t columns_;
  AscendC::GlobalTensor<E> gm_;
};

template <typename Config>
class Output {
 public:
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline Output(const ForwardArgs& args, UbBuffers<Config>& ub)
      : out_(args.out, args.value_dim),
        lse_(args.lse, 1),
        pitch_(round_up(args.value_dim, Arch::kFractal)),
        empty_lse_(args.empty_lse),
        ub_(ub) {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      set_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    }
    set_event<Event::MTE3_V>(UbOutEvent::kOut);
    set_event<Event::MTE3_V>(UbOutEvent::kLse);
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    }
    wait_event<Event::MTE3_V>(UbOutEvent::kOut);
    wait_event<Event::MTE3_V>(UbOutEvent::kLse);
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
    spread_rows(ub_.spread, ub_.alpha[unit_slot], rows.padded());
    vector_barrier();
    for (int32_t column = 0; column < pitch_; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> block = ub_.out[static_cast<uint32_t>(column)];
      AscendC::Mul(block, block, ub_.spread, lanes_at(column), static_cast<uint8_t>(rows.count),
                   by_row(pitch_));
    }
    vector_barrier();
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
      wait_event<Event::V_MTE2>(UbInEvent::kPartial, slot_);
      AscendC::DataCopy(ub_.partial[slot_], partial[rows.offset(pitch_)],
                        static_cast<uint32_t>(elements));
      set_event<Event::MTE2_V>(UbInEvent::kPartial, slot_);
      wait_event<Event::MTE2_V>(UbInEvent::kPartial, slot_);
      if (first_unit) {
        AscendC::Adds(out, ub_.partial[slot_], 0.0f, elements);
      } else {
        AscendC::Add(out, out, ub_.partial[slot_], elements);
      }
      set_event<Event::V_MTE2>(UbInEvent::kPartial, slot_);
      slot_ = 1 - slot_;
    }
    vector_barrier();
  }

  // out /= sum. A row that sees a key has a sum of at least exp(0) = 1, any other one 0.
  __aicore__ inline void divide(int32_t task_slot, Rows rows) {
    AscendC::Maxs(ub_.row_sum, ub_.sum[task_slot], 1.0f, Layout::kRows);
    vector_barrier();
    spread_rows(ub_.spread, ub_.row_sum, rows.padded());
    vector_barrier();
    for (int32_t column = 0; column < pitch_; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> block = ub_.out[static_cast<uint32_t>(column)];
      AscendC::Div(block, block, ub_.spread, lanes_at(column), static_cast<uint8_t>(rows.count),
                   by_row(pitch_));
    }
    vector_barrier();
  }

  // Rounds the output in its place and stores it; until that is done nothing else may come there.
  __aicore__ inline void store(const Task& task, Rows rows) {
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
    AscendC::Select(ub_.row_sum, ub_.bits, ub_.row_sum, empty_lse_,
                    AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE, Arch::kVectorLanes, kRowRepeats,
                    AscendC::BinaryRepeatParams());
    vector_barrier();
    wait_event<Event::MTE3_V>(UbOutEvent::kLse);
    spread_rows(ub_.lse_spread, ub_.row_sum, rows.padded());
    set_event<Event::V_MTE3>(UbOutEvent::kLse);
    wait_event<Event::V_MTE3>(UbOutEvent::kLse);
    lse_.store(ub_.lse_spread, task, rows, 1);
    set_event<Event::MTE3_V>(UbOutEvent::kLse);
    vector_barrier();
  }

 private:
  static constexpr uint8_t kRowRepeats = Layout::kRows / Arch::kVectorLanes;

  __aicore__ inline uint64_t lanes_at(int32_t column) const {
    return static_cast<uint64_t>(lesser(Arch::kVectorLanes, pitch_ - column));
  }

  RowStore<T> out_;
  RowStore<float> lse_;
  int32_t pitch_;
  float empty_lse_;
  UbBuffers<Config>& ub_;
  int32_t slot_ = 0;
};

}  // namespace fa::npu
