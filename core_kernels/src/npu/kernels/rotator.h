#pragma once

// Rotary position embedding of the heads of one token, in fp32 and rounded once: the operations of
// the CPU back end in the same order, so that caches agree bit by bit.
//
// Of a pair (a, b): a cos - b sin and a sin + b cos. Each element is x cos + partner * (+-sin),
// which rounds to the same: products and sums do not depend on the order or the sign of their
// operands.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/append_layout.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/row_copy.h"
#include "npu/kernels/vector.h"
#include "problem/rotary.h"

namespace fa::npu {

template <typename T>
class Rotator {
 public:
  using Event = AscendC::HardEvent;

  __aicore__ inline Rotator(const RotaryArgs& args, AppendBuffers<T>& ub) : args_(args), ub_(ub) {
    cos_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.cos));
    sin_.SetGlobalBuffer(reinterpret_cast<__gm__ T*>(args.sin));
    set_event<Event::V_MTE2>(AppendEvent::kTables);
    if (args.dim > 0) write_tables();
  }

  __aicore__ inline void drain() { wait_event<Event::V_MTE2>(AppendEvent::kTables); }

  // Starts the loads of a position's tables; those of the rows may follow before turn().
  __aicore__ inline void load(int32_t position) {
    const int32_t pairs = args_.dim / 2;
    wait_event<Event::V_MTE2>(AppendEvent::kTables);
    load_rows(ub_.cos_row, cos_[static_cast<uint64_t>(position * args_.cos_stride)],
              {1, pairs, 0, AppendLayout::kMaxDim});
    load_rows(ub_.sin_row, sin_[static_cast<uint64_t>(position * args_.sin_stride)],
              {1, pairs, 0, AppendLayout::kMaxDim});
  }

  // Rotates rows [heads, pitch] in their place.
  __aicore__ inline void turn(int32_t heads, int32_t pitch) {
    const int32_t pairs = args_.dim / 2, count = heads * pitch;
    AscendC::Cast(ub_.cos_half, ub_.cos_row, AscendC::RoundMode::CAST_NONE,
                  static_cast<uint32_t>(pairs));
    AscendC::Cast(ub_.sin_half, ub_.sin_row, AscendC::RoundMode::CAST_NONE,
                  static_cast<uint32_t>(pairs));
    AscendC::Cast(ub_.wide, ub_.rows, AscendC::RoundMode::CAST_NONE, static_cast<uint32_t>(count));
    set_event<Event::V_MTE2>(AppendEvent::kTables);
    vector_barrier();
    AscendC::Gather(ub_.cos, ub_.cos_half, ub_.pair_at, 0, static_cast<uint32_t>(args_.dim));
    AscendC::Gather(ub_.sin, ub_.sin_half, ub_.pair_at, 0, static_cast<uint32_t>(args_.dim));
    for (int32_t head = 0; head < heads; ++head) {
      const uint32_t row = static_cast<uint32_t>(head * pitch);
      AscendC::Gather(ub_.partner[row], ub_.wide[row], ub_.partner_at, 0,
                      static_cast<uint32_t>(args_.dim));
    }
    vector_barrier();
    AscendC::Mul(ub_.sin, ub_.sin, ub_.sign, args_.dim);
    vector_barrier();
    for (int32_t column = 0; column < args_.dim; column += Arch::kVectorLanes) {
      combine(heads, pitch, column);
    }
    AscendC::Cast(ub_.rows, ub_.wide, AscendC::RoundMode::CAST_RINT, static_cast<uint32_t>(count));
  }

 private:
  // 64 columns of all heads.
  __aicore__ inline void combine(int32_t heads, int32_t pitch, int32_t column) {
    const uint64_t lanes = static_cast<uint64_t>(lesser(Arch::kVectorLanes, args_.dim - column));
    const uint8_t repeats = static_cast<uint8_t>(heads);
    const uint8_t step = static_cast<uint8_t>(pitch / Arch::kBlockLanes);
    const uint32_t at = static_cast<uint32_t>(column);
    const AscendC::BinaryRepeatParams by_table(1, 1, 1, step, step, 0);
    AscendC::Mul(ub_.wide[at], ub_.wide[at], ub_.cos[at], lanes, repeats, by_table);
    AscendC::Mul(ub_.partner[at], ub_.partner[at], ub_.sin[at], lanes, repeats, by_table);
    vector_barrier();
    AscendC::Add(ub_.wide[at], ub_.wide[at], ub_.partner[at], lanes, repeats,
                 AscendC::BinaryRepeatParams(1, 1, 1, step, step, step));
    vector_barrier();
  }

  __aicore__ inline void write_tables() {
    for (int32_t pair = 0; pair < args_.dim / 2; ++pair) {
      const RotaryPair at = rotary_pair(pair, args_.dim, args_.interleaved != 0);
      write_element(at.first, at.second, pair, -1.0f);
      write_element(at.second, at.first, pair, 1.0f);
    }
    set_event<Event::S_V>(AppendEvent::kTables);
    wait_event<Event::S_V>(AppendEvent::kTables);
  }

  __aicore__ inline void write_element(int32_t element, int32_t partner, int32_t pair, float sign) {
    const uint32_t at = static_cast<uint32_t>(element);
    ub_.partner_at.SetValue(at, static_cast<uint32_t>(partner * AppendLayout::kFloat));
    ub_.pair_at.SetValue(at, static_cast<uint32_t>(pair * AppendLayout::kFloat));
    ub_.sign.SetValue(at, sign);
  }

  RotaryArgs args_;
  AppendBuffers<T>& ub_;
  AscendC::GlobalTensor<T> cos_, sin_;
};

}  // namespace fa::npu
