#pragma once

// Rows of the output that belong to no sequence: 0, and the LSE of rows that see no key. They are
// the tokens of a packed tensor outside of cu_seqlens_q, and those behind seqused_q.

#include "kernel_operator.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/row_store.h"
#include "npu/kernels/sequence.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename Config>
class UnownedRows {
 public:
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline explicit UnownedRows(const ForwardArgs& args)
      : args_(args),
        sequences_(args.q_lengths, args.status, kWrongQueries),
        out_(args.out, args.value_dim),
        lse_(args.lse, 1),
        partial_(args.splits.out, args.value_dim, args.splits.out_stride),
        partial_lse_(args.splits.lse, 1, args.splits.lse_stride),
        pitch_(round_up(args.value_dim, Arch::kFractal)) {}

  // Every `step`th sequence from `first` on; the core's pipes must be empty.
  __aicore__ inline void clear(int32_t first, int32_t step) {
    const bool packed = args_.q_lengths.cu_seqlens != 0;
    if (!packed && args_.q_lengths.seqused == 0) return;
    AscendC::Duplicate(ub_.out, 0.0f, Layout::kRows * pitch_);
    AscendC::Duplicate(ub_.lse_spread, args_.empty_lse, Layout::kRows * Arch::kBlockLanes);
    AscendC::Duplicate(ub_.sum_fold[0], kMinusInfinity, Layout::kRows * Arch::kBlockLanes);
    set_event<Event::V_MTE3>(UbOutEvent::kOut);
    wait_event<Event::V_MTE3>(UbOutEvent::kOut);
    for (int32_t batch = first; batch < args_.batch; batch += step) {
      const Sequence q = sequences_.at(batch);
      const int32_t end = q.first + q.capacity;
      if (packed && batch == 0) store(batch, 0, q.first);
      store(batch, q.first + q.length, end);
      if (packed && batch + 1 == args_.batch) store(batch, end, args_.q_lengths.tokens);
    }
    if (packed && args_.batch == 0 && first == 0) store(0, 0, args_.q_lengths.tokens);
  }

 private:
  __aicore__ inline void store(int32_t batch, int32_t begin, int32_t end) {
    for (int32_t token = begin; token < end; token += Layout::kRows) {
      const Rows rows{0, lesser(Layout::kRows, end - token)};
      for (int32_t head = 0; head < args_.q_heads; ++head) {
        Task task;
        task.batch = batch;
        task.heads = HeadGroup{1, 0, head};
        task.q.first = token;
        out_.store(ub_.rounded_out, task, rows,
                   pitch_ * static_cast<int32_t>(sizeof(T)) / Arch::kBlockBytes);
        if (lse_.wanted()) lse_.store(ub_.lse_spread, task, rows, 1);
        if (args_.splits.count > 1) store_partials(task, rows);
      }
    }
  }

  // Of every split: nothing.
  __aicore__ inline void store_partials(Task& task, Rows rows) {
    for (task.split = 0; task.split < args_.splits.count; ++task.split) {
      partial_.store(ub_.out, task, rows,
                     pitch_ * static_cast<int32_t>(sizeof(float)) / Arch::kBlockBytes);
      partial_lse_.store(ub_.sum_fold[0], task, rows, 1);
    }
  }

  ForwardArgs args_;
  SequenceTable sequences_;
  RowStore<T> out_;
  RowStore<float> lse_, partial_, partial_lse_;
  int32_t pitch_;
  UbBuffers<Config> ub_;
};

}  // namespace fa::npu
