#pragma once

// Merges the outputs of splits: out = sum of exp(lse_i - lse) out_i, lse = ln of sum of exp(lse_i).
// A vector kernel, bound by memory. Each vector core takes blocks of rows: queries of one head, or,
// where the LSE of heads lies closer, heads of one query.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/arch.h"
#include "npu/kernels/buffers/combine_layout.h"
#include "npu/kernels/entry.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/row_copy.h"
#include "npu/kernels/sequence.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

// Rows of a block: `count` along one axis from (sequence, query, head) on.
struct CombineBlock {
  int32_t batch, query, head, count;
};

template <typename T>
class Combine {
 public:
  using Layout = CombineLayout;
  using Event = AscendC::HardEvent;

  __aicore__ inline explicit Combine(const CombineArgs& args)
      : args_(args),
        along_heads_(args.partials.lse.head_stride == 1 &&
                     (args.partials.lse.seq_stride != 1 || args.q_lengths.limit == 1)),
        pitch_(round_up(args.value_dim, Arch::kFractal)) {
    partial_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(args.partials.out.address));
    partial_lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(args.partials.lse.address));
    out_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.out.address));
    lse_.SetGlobalBuffer(reinterpret_cast<__gm__ float*>(args.lse.address));
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      AscendC::Duplicate(ub_.partial[slot], 0.0f, Layout::kPartialElements);
      set_event<Event::V_MTE2>(CombineEvent::kPartial, slot);
    }
    set_event<Event::MTE3_V>(CombineEvent::kOut);
    AscendC::Duplicate(ub_.lse_partial, 0.0f, Layout::kLseElements);
    AscendC::Duplicate(ub_.total, 0.0f, Layout::kRows);
    set_event<Event::V_MTE2>(CombineEvent::kLse);
    vector_barrier();
  }

  // Rows of one block, at most: what UB takes, but few enough that all cores get some.
  __aicore__ inline int32_t rows_per_block(int64_t cores) const {
    const bool together = args_.partials.lse.seq_stride == 1 || along_heads_;
    if (!together) return 1;
    const int64_t all = int64_t{args_.batch} * args_.q_heads * args_.q_lengths.limit;
    const int64_t share = (all + cores - 1) / cores;
    const int32_t by_core = static_cast<int32_t>(share < Layout::kRows ? share : Layout::kRows);
    const int32_t by_lse = Layout::kLseElements / args_.partials.count;
    const int32_t rows = lesser(Layout::kPartialElements / pitch_, by_lse) / Arch::kBlockLanes;
    return lesser(round_up(greater(1, by_core), Arch::kBlockLanes),
                  greater(1, rows) * Arch::kBlockLanes);
  }

  __aicore__ inline bool along_heads() const { return along_heads_; }

  __aicore__ inline void run(const CombineBlock& block, const Sequence& queries) {
    const int32_t splits = args_.partials.count;
    weigh(block, queries, splits);
    wait_event<Event::MTE3_V>(CombineEvent::kOut);
    AscendC::Duplicate(ub_.out, 0.0f, block.count * pitch_);
    vector_barrier();
    for (int32_t split = 0; split < splits; ++split) add(block, queries, split);
    set_event<Event::V_MTE2>(CombineEvent::kLse);
    store(block, queries);
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::V_MTE2>(CombineEvent::kPartial, slot);
    }
    wait_event<Event::V_MTE2>(CombineEvent::kLse);
    wait_event<Event::MTE3_V>(CombineEvent::kOut);
    AscendC::PipeBarrier<PIPE_ALL>();
  }

 private:
  __aicore__ inline int64_t offset(const TensorArg& tensor, const CombineBlock& block,
                                   const Sequence& queries) const {
    const int64_t query = static_cast<int64_t>(queries.first) + block.query;
    return block.batch * tensor.batch_stride + query * tensor.seq_stride +
           block.head * tensor.head_stride;
  }

  __aicore__ inline int64_t row_stride(const TensorArg& tensor) const {
    return along_heads_ ? tensor.head_stride : tensor.seq_stride;
  }

  __aicore__ inline uint64_t lanes_at(int32_t column) const {
    return static_cast<uint64_t>(lesser(Arch::kVectorLanes, pitch_ - column));
  }

  __aicore__ inline uint32_t weights_at(int32_t split, int32_t rows) const {
    return static_cast<uint32_t>(split * round_up(rows, Arch::kBlockLanes));
  }

  // The LSE of all splits becomes their weights. +inf and -inf both mean: no keys.
  __aicore__ inline void weigh(const CombineBlock& block, const Sequence& queries, int32_t splits) {
    const int32_t rows = round_up(block.count, Arch::kBlockLanes);
    load_lse(block, queries, splits);
    const int32_t all = splits * rows;
    drop_infinity(all);
    AscendC::Duplicate(ub_.top, kLowest, rows);
    vector_barrier();
    for (int32_t split = 0; split < splits; ++split) {
      AscendC::Max(ub_.top, ub_.top, ub_.lse_partial[weights_at(split, rows)], rows);
      vector_barrier();
    }
    AscendC::Duplicate(ub_.total, 0.0f, rows);
    for (int32_t split = 0; split < splits; ++split) {
      const AscendC::LocalTensor<float> weight = ub_.lse_partial[weights_at(split, rows)];
      AscendC::Sub(weight, weight, ub_.top, rows);
    }
    vector_barrier();
    AscendC::Exp(ub_.lse_partial, ub_.lse_partial, all);
    vector_barrier();
    for (int32_t split = 0; split < splits; ++split) {
      AscendC::Add(ub_.total, ub_.total, ub_.lse_partial[weights_at(split, rows)], rows);
      vector_barrier();
    }
    // A row with keys has a sum of at least exp(0) = 1.
    AscendC::Maxs(ub_.divisor, ub_.total, 1.0f, rows);
    vector_barrier();
    for (int32_t split = 0; split < splits; ++split) {
      const AscendC::LocalTensor<float> weight = ub_.lse_partial[weights_at(split, rows)];
      AscendC::Div(weight, weight, ub_.divisor, rows);
    }
    vector_barrier();
  }

  __aicore__ inline void load_lse(const CombineBlock& block, const Sequence& queries,
                                  int32_t splits) {
    const TensorArg& lse = args_.partials.lse;
    wait_event<Event::V_MTE2>(CombineEvent::kLse);
    AscendC::DataCopyExtParams params;
    params.blockCount = 1;
    params.blockLen = static_cast<uint32_t>(block.count) * sizeof(float);
    const AscendC::DataCopyPadExtParams<float> padding = zeros_behind<float>(block.count);
    for (int32_t split = 0; split < splits; ++split) {
      const int64_t from = split * args_.partials.lse_stride + offset(lse, block, queries);
      AscendC::DataCopyPad(ub_.lse_partial[weights_at(split, block.count)],
                           partial_lse_[static_cast<uint64_t>(from)], params, padding);
    }
    set_event<Event::MTE2_V>(CombineEvent::kLse);
    wait_event<Event::MTE2_V>(CombineEvent::kLse);
  }

  __aicore__ inline void drop_infinity(int32_t count) {
    const uint8_t repeats =
        static_cast<uint8_t>((count + Arch::kVectorLanes - 1) / Arch::kVectorLanes);
    AscendC::CompareScalar(ub_.bits, ub_.lse_partial, -kMinusInfinity, AscendC::CMPMODE::LT,
                           Arch::kVectorLanes, repeats, AscendC::UnaryRepeatParams());
    vector_barrier();
    AscendC::Select(ub_.lse_partial, ub_.bits, ub_.lse_partial, kMinusInfinity,
                    AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE, Arch::kVectorLanes, repeats,
                    AscendC::BinaryRepeatParams());
    vector_barrier();
  }

  // out += weight * out_i. Rows whose split has no keys may hold anything: they count as 0.
  __aicore__ inline void add(const CombineBlock& block, const Sequence& queries, int32_t split) {
    const TensorArg& from = args_.partials.out;
    const AscendC::LocalTensor<float>& partial = ub_.partial[slot_];
    wait_event<Event::V_MTE2>(CombineEvent::kPartial, slot_);
    load_rows(partial,
              partial_[static_cast<uint64_t>(split * args_.partials.out_stride +
                                             offset(from, block, queries))],
              {block.count, args_.value_dim, row_stride(from), pitch_});
    set_event<Event::MTE2_V>(CombineEvent::kPartial, slot_);
    spread_rows(ub_.spread, ub_.lse_partial[weights_at(split, block.count)],
                round_up(block.count, Arch::kBlockLanes));
    vector_barrier();
    wait_event<Event::MTE2_V>(CombineEvent::kPartial, slot_);
    const uint8_t rows = static_cast<uint8_t>(block.count);
    AscendC::CompareScalar(ub_.bits, ub_.spread, 0.0f, AscendC::CMPMODE::GT, Arch::kVectorLanes,
                           rows, AscendC::UnaryRepeatParams(1, 0, 8, 1));
    vector_barrier();
    const uint8_t step = static_cast<uint8_t>(pitch_ / Arch::kBlockLanes);
    const AscendC::BinaryRepeatParams by_row(1, 1, 0, step, step, 1);
    for (int32_t column = 0; column < pitch_; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> values = partial[static_cast<uint32_t>(column)];
      AscendC::Select(values, ub_.bits, values, 0.0f, AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE,
                      lanes_at(column), rows, by_row);
    }
    vector_barrier();
    for (int32_t column = 0; column < pitch_; column += Arch::kVectorLanes) {
      const AscendC::LocalTensor<float> values = partial[static_cast<uint32_t>(column)];
      AscendC::Mul(values, values, ub_.spread, lanes_at(column), rows, by_row);
    }
    vector_barrier();
    AscendC::Add(ub_.out, ub_.out, partial, block.count * pitch_);
    set_event<Event::V_MTE2>(CombineEvent::kPartial, slot_);
    vector_barrier();
    slot_ = 1 - slot_;
  }

  __aicore__ inline void store(const CombineBlock& block, const Sequence& queries) {
    const int32_t rows = round_up(block.count, Arch::kBlockLanes);
    AscendC::Ln(ub_.divisor, ub_.divisor, rows);
    if constexpr (!AscendC::IsSameType<T, float>::value) {
      AscendC::Cast(ub_.rounded_out<T>(), ub_.out, AscendC::RoundMode::CAST_RINT,
                    static_cast<uint32_t>(block.count * pitch_));
    }
    AscendC::CompareScalar(ub_.bits, ub_.total, 0.0f, AscendC::CMPMODE::GT, Arch::kVectorLanes, 1,
                           AscendC::UnaryRepeatParams());
    vector_barrier();
    AscendC::Add(ub_.divisor, ub_.divisor, ub_.top, rows);
    vector_barrier();
    AscendC::Select(ub_.divisor, ub_.bits, ub_.divisor, args_.empty_lse,
                    AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE, Arch::kVectorLanes, 1,
                    AscendC::BinaryRepeatParams());
    vector_barrier();
    spread_rows(ub_.spread, ub_.divisor, rows);
    set_event<Event::V_MTE3>(CombineEvent::kOut);
    wait_event<Event::V_MTE3>(CombineEvent::kOut);
    store_rows(out_[static_cast<uint64_t>(offset(args_.out, block, queries))], ub_.rounded_out<T>(),
               {block.count, args_.value_dim, row_stride(args_.out), pitch_});
    if (args_.lse.address != 0) {
      store_rows(lse_[static_cast<uint64_t>(offset(args_.lse, block, queries))], ub_.spread,
                 {block.count, 1, row_stride(args_.lse), Arch::kBlockLanes});
    }
    set_event<Event::MTE3_V>(CombineEvent::kOut);
  }

  static constexpr float kLowest = -3.4028234663852886e38f;

  CombineArgs args_;
  bool along_heads_;
  int32_t pitch_;
  CombineBuffers ub_;
  AscendC::GlobalTensor<float> partial_, partial_lse_, lse_;
  AscendC::GlobalTensor<T> out_;
  int32_t slot_ = 0;
};

// Blocks are dealt out to the vector cores in turn.
template <typename T>
__aicore__ inline void combine(const CombineArgs& args) {
  const SequenceTable sequences(args.q_lengths, 0, kWrongQueries);
  Combine<T> work(args);
  const int64_t cores = AscendC::GetBlockNum();
  const int32_t rows = work.rows_per_block(cores);
  int64_t next = AscendC::GetBlockIdx(), number = 0;
  for (int32_t batch = 0; batch < args.batch; ++batch) {
    const Sequence queries = sequences.at(batch);
    const int32_t inner = work.along_heads() ? args.q_heads : queries.length;
    const int32_t outer = work.along_heads() ? queries.length : args.q_heads;
    const int64_t blocks = (inner + rows - 1) / rows, end = number + blocks * outer;
    for (; next < end; next += cores) {
      const int32_t at = static_cast<int32_t>((next - number) / blocks);
      const int32_t first = static_cast<int32_t>((next - number) % blocks) * rows;
      const int32_t count = lesser(rows, inner - first);
      work.run(work.along_heads() ? CombineBlock{batch, at, first, count}
                                  : CombineBlock{batch, first, at, count},
               queries);
    }
    number = end;
  }
  work.drain();
}

}  // namespace fa::npu
