#pragma once

// The vector cores' part in an int8 cache: they cast a unit's keys and values into the ring of the
// workspace, where the cube core finds dense rows of its own type. Scales come in later: that of
// keys with the softmax's, that of values where the output is divided.
//
// A unit is cast before the softmax of the one before it, so that the cube core need not wait. Its
// place in the ring is that of kStackSlots units ago, whose output this core has waited for.

#include "kernel_operator.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/buffers/workspace.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/row_copy.h"
#include "npu/kernels/tile_loader.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename Config>
class StackCaster {
 public:
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;
  using Event = AscendC::HardEvent;

  __aicore__ inline StackCaster(const ForwardArgs& args, int32_t half,
                                const Workspace<Config>& workspace, UbBuffers<Config>& ub)
      : keys_(args.k, args),
        values_(args.v, args),
        key_columns_(args.head_dim),
        value_columns_(args.value_dim),
        half_(half),
        workspace_(workspace),
        ub_(ub) {}

  // This core's half of a unit's keys. `slot`: of the places of scores, the next one; returns the
  // one after the last that was used.
  __aicore__ inline int32_t cast(const Unit& unit, int32_t slot) {
    if (unit.keys == 0) return slot;
    const int32_t share = (unit.keys + 1) / 2;
    const Rows own{half_ * share, lesser(share, unit.keys - half_ * share)};
    for (int32_t place = 0; place < Layout::kSlots; ++place) take(place);
    slot = cast_tokens(keys_, unit, own, key_columns_, workspace_.keys[unit.stack_slot()], slot);
    slot =
        cast_tokens(values_, unit, own, value_columns_, workspace_.values[unit.stack_slot()], slot);
    set_cross<PIPE_MTE3>(CrossFlag::kStackDone);
    for (int32_t place = 0; place < Layout::kSlots; ++place) give_back(place);
    return slot;
  }

 private:
  // Codes come into a place of partial output. A place of scores holds what becomes of them, and
  // for bf16, which there is no direct cast to, behind it floats of half of them: the larger a
  // store, the less often the next one waits for it.
  static constexpr bool kHalf = std::is_same_v<T, half>;
  static constexpr int32_t kPiece = Layout::kChunk;
  static constexpr int32_t kPart = kPiece / 2;
  static constexpr int32_t kSlotBytes = kPiece * Layout::kFloat;
  static constexpr int32_t kCodeBytes = Layout::kPartialElements * Layout::kFloat;
  static_assert(kPiece <= kCodeBytes);

  // Places of scores are free by way of MTE2; here by way of V, so that loads need not wait for
  // them.
  __aicore__ inline void take(int32_t place) {
    wait_event<Event::MTE3_MTE2>(UbInEvent::kScores, place);
    set_event<Event::MTE2_V>(UbInEvent::kScores, place);
    wait_event<Event::MTE2_V>(UbInEvent::kScores, place);
    set_event<Event::MTE3_V>(UbOutEvent::kStack, place);
  }
  __aicore__ inline void give_back(int32_t place) {
    wait_event<Event::MTE3_V>(UbOutEvent::kStack, place);
    set_event<Event::V_MTE3>(UbOutEvent::kProbs, place);
    wait_event<Event::V_MTE3>(UbOutEvent::kProbs, place);
    set_event<Event::MTE3_MTE2>(UbInEvent::kScores, place);
  }

  __aicore__ inline int32_t cast_tokens(const TokenLoader<int8_t>& loader, const Unit& unit,
                                        Rows own, int32_t columns,
                                        const AscendC::GlobalTensor<T>& to, int32_t slot) {
    const int32_t pitch = stack_pitch(columns);
    const int32_t step = kPiece / pitch;
    for (int32_t done = 0; done < own.count; done += step) {
      const Rows rows{own.first + done, lesser(step, own.count - done)};
      cast_piece(loader, unit, rows, columns, to[rows.offset(pitch)], slot);
      slot = 1 - slot;
    }
    return slot;
  }

  __aicore__ inline void cast_piece(const TokenLoader<int8_t>& loader, const Unit& unit, Rows rows,
                                    int32_t columns, const AscendC::GlobalTensor<T>& to,
                                    int32_t slot) {
    const uint32_t count = static_cast<uint32_t>(rows.count * stack_pitch(columns));
    AscendC::LocalTensor<int8_t> codes;
    AscendC::LocalTensor<T> result;
    place_in_ub(codes, Layout::kPartial + slot * kCodeBytes, kPiece);
    place_in_ub(result, Layout::kScores + slot * kSlotBytes, kPiece);
    wait_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    loader.load_rows_to_ub(codes, unit.task, unit.first_key + rows.first, rows.count, columns,
                           stack_pitch(columns));
    set_event<Event::MTE2_V>(UbInEvent::kPartial, slot);
    wait_event<Event::MTE2_V>(UbInEvent::kPartial, slot);
    wait_event<Event::MTE3_V>(UbOutEvent::kStack, slot);
    widen(result, codes, ub_.scores[slot][kPart], count);
    set_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    set_event<Event::V_MTE3>(UbOutEvent::kProbs, slot);
    wait_event<Event::V_MTE3>(UbOutEvent::kProbs, slot);
    AscendC::DataCopy(to, result, count);
    set_event<Event::MTE3_V>(UbOutEvent::kStack, slot);
  }

  // Exact: eight bits fit into both types.
  __aicore__ inline void widen(const AscendC::LocalTensor<T>& result,
                               const AscendC::LocalTensor<int8_t>& codes,
                               const AscendC::LocalTensor<float>& wide, uint32_t count) {
    const auto halves = result.template ReinterpretCast<half>();
    AscendC::Cast(halves, codes, AscendC::RoundMode::CAST_NONE, count);
    for (uint32_t at = 0; at < count && !kHalf; at += kPart) {
      const uint32_t some = count - at < kPart ? count - at : kPart;
      vector_barrier();
      AscendC::Cast(wide, halves[at], AscendC::RoundMode::CAST_NONE, some);
      vector_barrier();
      AscendC::Cast(result[at], wide, AscendC::RoundMode::CAST_RINT, some);
    }
  }

  TokenLoader<int8_t> keys_, values_;
  int32_t key_columns_, value_columns_;
  int32_t half_;
  const Workspace<Config>& workspace_;
  UbBuffers<Config>& ub_;
};

}  // namespace fa::npu
