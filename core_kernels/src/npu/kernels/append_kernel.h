#pragma once

// Writes new keys, rotated, and new values into the cache, and rotated queries into the workspace,
// token by token. What has no place in the cache, or leads nowhere, is left out.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/append_layout.h"
#include "npu/kernels/entry.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/head_scales.h"
#include "npu/kernels/quantiser.h"
#include "npu/kernels/rotator.h"
#include "npu/kernels/row_copy.h"
#include "npu/kernels/sequence.h"
#include "problem/page_map.h"

namespace fa::npu {

// The heads of one token: where they come from, where they go.
struct TokenMove {
  uint64_t from, to;
  int64_t from_stride, to_stride;  // from head to head
  int32_t heads, columns;
};

template <typename T>
class Append {
 public:
  using Event = AscendC::HardEvent;

  __aicore__ inline explicit Append(const AppendArgs& args)
      : args_(args),
        status_(args.status),
        queries_(args.q_lengths, args.status, kWrongQueries),
        cached_(args.kv_lengths, args.status, kWrongKeys),
        new_tokens_(args.cache, status_),
        rotator_(args.rotary, ub_),
        quantiser_(ub_),
        k_scales_(args.k_scale),
        v_scales_(args.v_scale) {
    k_new_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.k_new.address));
    v_new_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.v_new.address));
    k_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.k.address));
    v_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.v.address));
    q_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.q.address));
    q_rotated_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.q_rotated.address));
    table_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.pages.table));
    rows_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.cache.batch_idx));
    positions_.SetGlobalBuffer(reinterpret_cast<__gm__ int32_t*>(args.rotary.first_positions));
    k_codes_.SetGlobalBuffer(reinterpret_cast<__gm__ int8_t*>(args.k.address));
    v_codes_.SetGlobalBuffer(reinterpret_cast<__gm__ int8_t*>(args.v.address));
    if (k_scales_.given()) {  // rows of codes are longer than what comes in: it shall be numbers
      AscendC::Duplicate(ub_.rows, T(0), AppendLayout::kRowElements);
      AscendC::PipeBarrier<PIPE_ALL>();
    }
    set_event<Event::MTE3_MTE2>(AppendEvent::kRows);
  }

  // Tokens of all sequences, dealt out in turn: every `step`th from `first` on.
  __aicore__ inline void run(int64_t first, int64_t step) {
    int64_t next = first, number = 0;
    for (int32_t batch = 0; batch < args_.batch; ++batch) {
      const Sequence fresh = new_tokens_.at(batch);
      const Sequence queries = queries_.at(batch);
      const int32_t rotated = args_.rotary.dim > 0 ? queries.length : 0;
      const int32_t held = cached_.at(batch).length;
      const int32_t position = first_position(batch, held);
      const int64_t end = number + fresh.length + rotated;
      for (; next < end; next += step) {
        const int32_t token = static_cast<int32_t>(next - number);
        if (token < fresh.length) {
          append(batch, fresh.first + token, held + token, position + token);
        } else {
          rotate_query(batch, queries, token - fresh.length, position);
        }
      }
      number = end;
    }
  }

  __aicore__ inline void drain() {
    rotator_.drain();
    wait_event<Event::MTE3_MTE2>(AppendEvent::kRows);
    AscendC::PipeBarrier<PIPE_ALL>();
  }

 private:
  __aicore__ inline int32_t first_position(int32_t batch, int32_t held) const {
    if (args_.rotary.first_positions == 0) return held;
    return positions_.GetValue(static_cast<uint64_t>(batch));
  }

  // `slot`: of the cache, counted from the begin of the sequence.
  __aicore__ inline void append(int32_t batch, int32_t token, int32_t slot, int32_t position) {
    int64_t row = batch, place = slot;
    if (args_.cache.batch_idx != 0) row = rows_.GetValue(static_cast<uint64_t>(batch));
    if (!holds(WrongValue::kBatchIdx, batch, row, args_.cache.rows)) return;
    if (!holds(WrongValue::kAppended, batch, slot, args_.cache.capacity)) return;
    if (args_.pages.table != 0) {
      const int32_t index = slot / args_.pages.page_size;
      place = slot - index * args_.pages.page_size;
      row = table_.GetValue(static_cast<uint64_t>(row * args_.pages.table_stride + index));
      if (!holds(WrongValue::kPage, batch, row, args_.pages.page_count)) return;
    }
    const bool rotate = args_.rotary.dim > 0;
    const TokenMove keys = between(args_.k_new, batch, token, args_.k, row, place, args_.head_dim);
    const TokenMove values =
        between(args_.v_new, batch, token, args_.v, row, place, args_.value_dim);
    if (k_scales_.given()) {
      move(k_codes_, k_new_, keys, rotate, batch, position, k_scales_);
      move(v_codes_, v_new_, values, false, batch, 0, v_scales_);
    } else {
      move(k_, k_new_, keys, rotate, batch, position, k_scales_);
      move(v_, v_new_, values, false, batch, 0, v_scales_);
    }
  }

  __aicore__ inline bool holds(WrongValue what, int32_t batch, int64_t value, int32_t end) const {
    const int32_t number = static_cast<int32_t>(value);
    return status_.checked(what, batch, number, end - 1) == number;
  }

  __aicore__ inline TokenMove between(const TensorArg& from, int32_t batch, int32_t token,
                                      const TensorArg& to, int64_t row, int64_t place,
                                      int32_t columns) const {
    return {static_cast<uint64_t>(batch * from.batch_stride + token * from.seq_stride),
            static_cast<uint64_t>(row * to.batch_stride + place * to.seq_stride),
            from.head_stride,
            to.head_stride,
            args_.kv_heads,
            columns};
  }

  __aicore__ inline void rotate_query(int32_t batch, const Sequence& queries, int32_t query,
                                      int32_t position) {
    const int64_t token = static_cast<int64_t>(queries.first) + query;
    const TensorArg &from = args_.q, &to = args_.q_rotated;
    const TokenMove heads{
        static_cast<uint64_t>(batch * from.batch_stride + token * from.seq_stride),
        static_cast<uint64_t>(batch * to.batch_stride + token * to.seq_stride),
        from.head_stride,
        to.head_stride,
        args_.q_heads,
        args_.head_dim};
    move(q_rotated_, q_, heads, true, batch,
         args_.rotary.same_q_position != 0 ? position : position + query, k_scales_);
  }

  // `scales`: of the cache, if E is int8_t.
  template <typename E>
  __aicore__ inline void move(const AscendC::GlobalTensor<E>& to,
                              const AscendC::GlobalTensor<T>& from, const TokenMove& token,
                              bool rotate, int32_t batch, int32_t position,
                              const HeadScales& scales) {
    constexpr bool kCodes = std::is_same_v<E, int8_t>;
    const int32_t pitch = round_up(token.columns, kCodes ? Arch::kBlockBytes : Arch::kFractal);
    const int32_t step = lesser(AppendLayout::kMaxHeads, AppendLayout::kRowElements / pitch);
    const int32_t at = rotate ? status_.checked(WrongValue::kRotaryPosition, batch, position,
                                                args_.rotary.positions - 1)
                              : 0;
    for (int32_t head = 0; head < token.heads; head += step) {
      const int32_t heads = lesser(step, token.heads - head);
      wait_event<Event::MTE3_MTE2>(AppendEvent::kRows);
      if (rotate) rotator_.load(at);
      load_rows(ub_.rows, from[token.from + static_cast<uint64_t>(head * token.from_stride)],
                {heads, token.columns, token.from_stride, pitch});
      if (rotate || kCodes) {
        set_event<Event::MTE2_V>(AppendEvent::kRows);
        wait_event<Event::MTE2_V>(AppendEvent::kRows);
        if (rotate) rotator_.turn(heads, pitch);
        if constexpr (kCodes) {
          if (rotate) vector_barrier();
          quantiser_.run(scales, batch, head, heads, pitch);
        }
        set_event<Event::V_MTE3>(AppendEvent::kRows);
        wait_event<Event::V_MTE3>(AppendEvent::kRows);
      } else {
        set_event<Event::MTE2_MTE3>(AppendEvent::kRows);
        wait_event<Event::MTE2_MTE3>(AppendEvent::kRows);
      }
      const AscendC::GlobalTensor<E> target =
          to[token.to + static_cast<uint64_t>(head * token.to_stride)];
      const RowCopy rows{heads, token.columns, token.to_stride, pitch};
      if constexpr (kCodes) {
        store_rows(target, ub_.codes, rows);
      } else {
        store_rows(target, ub_.rows, rows);
      }
      set_event<Event::MTE3_MTE2>(AppendEvent::kRows);
    }
  }

  AppendArgs args_;
  StatusLine status_;
  SequenceTable queries_, cached_;
  NewTokens new_tokens_;
  AppendBuffers<T> ub_;
  Rotator<T> rotator_;
  Quantiser<T> quantiser_;
  HeadScales k_scales_, v_scales_;
  AscendC::GlobalTensor<int8_t> k_codes_, v_codes_;
  AscendC::GlobalTensor<T> k_new_, v_new_, k_, v_, q_, q_rotated_;
  AscendC::GlobalTensor<int32_t> table_, rows_, positions_;
};

template <typename T>
__aicore__ inline void append(const AppendArgs& args) {
  Append<T> work(args);
  work.run(AscendC::GetBlockIdx(), AscendC::GetBlockNum());
  work.drain();
}

}  // namespace fa::npu
