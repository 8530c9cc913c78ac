#pragma once

// Scores outside of a row's key range become -inf: column number against the row's limits, and only
// where a block of 64 columns crosses an edge.

#include "kernel_operator.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename Config>
class RowMask {
 public:
  using Event = AscendC::HardEvent;

  __aicore__ inline RowMask(const Schedule& schedule, UbBuffers<Config>& ub)
      : schedule_(schedule), ub_(ub) {
    AscendC::CreateVecIndex(ub_.columns, 0.0f, Stack<Config>::kKeys);
    for (int32_t slot = 0; slot < UbLayout<Config>::kSlots; ++slot) {
      set_event<Event::V_S>(ScalarEvent::kLimits, slot);
    }
  }

  __aicore__ inline void drain() {
    for (int32_t slot = 0; slot < UbLayout<Config>::kSlots; ++slot) {
      wait_event<Event::V_S>(ScalarEvent::kLimits, slot);
    }
  }

  // Writes down the limits of a task's rows.
  __aicore__ inline void open(const Task& task, Rows rows) {
    wait_event<Event::V_S>(ScalarEvent::kLimits, slot_);
    for (int32_t row = 0; row < rows.count; ++row) {
      const KvRange range = range_of(task, rows.first + row);
      ub_.low[slot_].SetValue(static_cast<uint32_t>(row), range.lo);
      ub_.high[slot_].SetValue(static_cast<uint32_t>(row), range.hi);
    }
    set_event<Event::S_V>(ScalarEvent::kLimits, slot_);
    wait_event<Event::S_V>(ScalarEvent::kLimits, slot_);
  }

  __aicore__ inline void close() {
    set_event<Event::V_S>(ScalarEvent::kLimits, slot_);
    slot_ = 1 - slot_;
  }

  // `own`: first row of this vector core in the task; `rows`: of its rows; scores [rows, width].
  __aicore__ inline void apply(const AscendC::LocalTensor<float>& scores, const Unit& unit,
                               int32_t own, Rows rows, int32_t width) {
    // Limits grow from row to row: the first row ends first, the last one begins last.
    const KvRange first = range_of(unit.task, own + rows.first);
    const KvRange last = range_of(unit.task, own + rows.first + rows.count - 1);
    const int32_t begin = lesser(width, greater(0, last.lo - unit.first_key));
    const int32_t end = lesser(width, greater(0, first.hi - unit.first_key));
    if (begin > 0) {
      spread_limits(ub_.low_spread, ub_.low[slot_], unit.first_key, rows);
      for (int32_t column = 0; column < begin; column += Arch::kVectorLanes) {
        keep(scores, AscendC::CMPMODE::GE, ub_.low_spread, rows, column, width);
      }
    }
    if (end < width) {
      spread_limits(ub_.high_spread, ub_.high[slot_], unit.first_key, rows);
      const int32_t edge = end / Arch::kVectorLanes * Arch::kVectorLanes;
      for (int32_t column = edge; column < width; column += Arch::kVectorLanes) {
        keep(scores, AscendC::CMPMODE::LT, ub_.high_spread, rows, column, width);
      }
    }
  }

 private:
  __aicore__ inline KvRange range_of(const Task& task, int32_t row) const {
    return schedule_.visible(task, task.first_query + row / task.heads.size);
  }

  // Limits counted from the unit's first key. Far away ones may round; they stay far away.
  __aicore__ inline void spread_limits(const AscendC::LocalTensor<float>& spread,
                                       const AscendC::LocalTensor<int32_t>& limits,
                                       int32_t first_key, Rows rows) {
    AscendC::Adds(ub_.relative, limits[rows.offset()], -first_key, rows.count);
    vector_barrier();
    AscendC::Cast(ub_.limit, ub_.relative, AscendC::RoundMode::CAST_RINT,
                  static_cast<uint32_t>(rows.count));
    vector_barrier();
    spread_rows(spread, ub_.limit, rows.padded());
    vector_barrier();
  }

  // 64 columns: keeps the scores whose column compares as `mode` says with the row's limit.
  __aicore__ inline void keep(const AscendC::LocalTensor<float>& scores, AscendC::CMPMODE mode,
                              const AscendC::LocalTensor<float>& spread, Rows rows, int32_t column,
                              int32_t width) {
    const uint8_t repeats = static_cast<uint8_t>(rows.count);
    const uint32_t at = static_cast<uint32_t>(column);
    AscendC::Compare(ub_.bits, ub_.columns[at], spread, mode, Arch::kVectorLanes, repeats,
                     AscendC::BinaryRepeatParams(1, 1, 0, 0, 0, 1));
    vector_barrier();
    AscendC::Select(scores[at], ub_.bits, scores[at], kMinusInfinity,
                    AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE, Arch::kVectorLanes, repeats,
                    by_row(width));
    vector_barrier();
  }

  const Schedule& schedule_;
  UbBuffers<Config>& ub_;
  int32_t slot_ = 0;
};

}  // namespace fa::npu
