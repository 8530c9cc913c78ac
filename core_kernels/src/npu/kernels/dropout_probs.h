#pragma once

// S_dmask of the tasks that come again: each vector core writes its rows, all columns of them, and
// at the end rows that no sequence has. It serves tests, so it takes its time.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/row_store.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/sequence.h"

namespace fa::npu {

template <typename Config>
class DropoutProbs {
 public:
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;

  __aicore__ inline DropoutProbs(const ForwardArgs& args, UbBuffers<Config>& ub)
      : args_(args.dropout),
        batch_(args.batch),
        q_heads_(args.q_heads),
        sequences_(args.q_lengths, args.status, kWrongQueries),
        ub_(ub) {}

  // Zeros in all columns of a task's rows, before the first of its keys come.
  __aicore__ inline void clear(const Task& task, Rows own) {
    prepare_zeros();
    store_zeros(of_sequence(task), own);
    AscendC::PipeBarrier<PIPE_ALL>();
  }

  // `rows`: of the task; from [rows, width] in the order of its rows.
  __aicore__ inline void store(const AscendC::LocalTensor<T>& from, const Unit& unit, Rows rows,
                               int32_t width) {
    columns(unit.first_key, unit.keys).store(from, of_sequence(unit.task), rows, blocks(width));
  }

  // Rows beyond the sequences, of every `step`th one from `first` on; the core's pipes must be
  // empty.
  __aicore__ inline void clear_unowned(int32_t first, int32_t step) {
    if (args_.probs.address == 0) return;
    prepare_zeros();
    for (int32_t batch = first; batch < batch_; batch += step) {
      Task task;
      task.batch = batch;
      const int32_t used = sequences_.at(batch).length;
      for (int32_t head = 0; head < q_heads_; ++head) {
        task.heads = HeadGroup{1, 0, head};
        for (int32_t row = used; row < args_.probs_rows; row += Layout::kRows) {
          store_zeros(task, {row, lesser(Layout::kRows, args_.probs_rows - row)});
        }
      }
    }
    AscendC::PipeBarrier<PIPE_ALL>();
  }

 private:
  static constexpr int32_t kColumns = 64;  // of zeros at a time
  static_assert(!Config::kExtras || Layout::kRows * kColumns <= Layout::kChunk);

  __aicore__ inline void prepare_zeros() {
    AscendC::PipeBarrier<PIPE_ALL>();
    AscendC::Duplicate(ub_.scores[0], 0.0f, Layout::kChunk);
    AscendC::PipeBarrier<PIPE_ALL>();
  }

  __aicore__ inline void store_zeros(const Task& task, Rows rows) {
    for (int32_t column = 0; column < args_.probs_columns; column += kColumns) {
      columns(column, lesser(kColumns, args_.probs_columns - column))
          .store(ub_.probs[0], task, rows, blocks(kColumns));
    }
  }

  // Rows of S_dmask count from the begin of the sequence, also where q is packed.
  __aicore__ static inline Task of_sequence(const Task& task) {
    Task same = task;
    same.q.first = 0;
    return same;
  }

  __aicore__ inline RowStore<T> columns(int32_t first, int32_t count) const {
    TensorArg part = args_.probs;
    part.address += static_cast<uint64_t>(first) * sizeof(T);
    return RowStore<T>(part, count);
  }

  __aicore__ static inline int32_t blocks(int32_t width) {
    return width * static_cast<int32_t>(sizeof(T)) / Arch::kBlockBytes;
  }

  DropoutArgs args_;
  int32_t batch_, q_heads_;
  SequenceTable sequences_;
  UbBuffers<Config>& ub_;
};

}  // namespace fa::npu
