#pragma once

// Dropout: which probabilities of a chunk are kept, by the generator of problem/dropout_bits.h for
// all its rows and keys at a time. Products and sums of int32 wrap.

#include "kernel_operator.h"
#include "npu/kernel_args.h"
#include "npu/kernels/buffers/ub_buffers.h"
#include "npu/kernels/flags.h"
#include "npu/kernels/schedule.h"
#include "npu/kernels/vector.h"
#include "problem/dropout_bits.h"

namespace fa::npu {

template <typename Config>
class DropoutMask {
 public:
  using Layout = UbLayout<Config>;
  using Event = AscendC::HardEvent;
  using Words = AscendC::LocalTensor<int32_t>;

  __aicore__ inline DropoutMask(const ForwardArgs& args, UbBuffers<Config>& ub)
      : args_(args.dropout),
        q_heads_(args.q_heads),
        given_(args.dropout.kept < 1.0f || args.dropout.probs.address != 0),
        ub_(ub) {
    if constexpr (Config::kExtras) set_event<Event::V_S>(ScalarEvent::kFamilies);
  }

  __aicore__ inline void drain() { wait_event<Event::V_S>(ScalarEvent::kFamilies); }

  // Draws the families of a task's rows.
  __aicore__ inline void open(const Task& task, Rows own) {
    if (!given_ || own.count == 0) return;
    wait_event<Event::V_S>(ScalarEvent::kFamilies);
    number_rows(task, own);
    set_event<Event::S_V>(ScalarEvent::kFamilies);
    wait_event<Event::S_V>(ScalarEvent::kFamilies);
    for (int32_t part = 0; part < 2; ++part) {
      const uint32_t at = static_cast<uint32_t>(part * Layout::kRows);
      AscendC::Adds(ub_.families[at], ub_.drawn[at], 0, own.count);
      vector_barrier();
      mix(ub_.families[at], ub_.families[at], own.count);
    }
    set_event<Event::V_S>(ScalarEvent::kFamilies);
    const Words multipliers = ub_.families[Layout::kRows];
    AscendC::Muls(multipliers, multipliers, 2, own.count);
    vector_barrier();
    AscendC::Adds(multipliers, multipliers, 1, own.count);
    vector_barrier();
    release_scratch();
  }

  // Before the first chunk of a unit.
  __aicore__ inline void open_unit(const Unit& unit) {
    if (!given_) return;
    AscendC::Cast(ub_.counters, ub_.columns, AscendC::RoundMode::CAST_RINT, kCounters);
    vector_barrier();
    AscendC::Adds(ub_.counters, ub_.counters, unit.first_key / kKeysPerWord, kCounters);
    vector_barrier();
  }

  // `rows`: of the vector core's rows in the task; probs [rows, width]. What is dropped becomes 0,
  // or negative if it is marked only.
  __aicore__ inline void apply(const AscendC::LocalTensor<float>& probs, const Unit& unit,
                               Rows rows, int32_t width) {
    if (!given_) return;
    const int32_t count = rows.count * width;
    draw_words(rows, width / kKeysPerWord);
    mix(ub_.words[0], ub_.other_words, count / kKeysPerWord);
    compare_bytes(count);
    if (unit.task.again) {
      mark(probs, count);
    } else {
      AscendC::Select(probs, ub_.kept, probs, 0.0f, AscendC::SELMODE::VSEL_TENSOR_SCALAR_MODE,
                      Arch::kVectorLanes, static_cast<uint8_t>(count / Arch::kVectorLanes),
                      AscendC::BinaryRepeatParams());
    }
    vector_barrier();
    release_scratch();
  }

 private:
  static constexpr int32_t kKeysPerWord = 4;
  static_assert(kTile % kKeysPerWord == 0);  // units begin at multiples of it
  static constexpr int32_t kCounters = Stack<Config>::kKeys / kKeysPerWord;

  // A word of each of the two families of a head for each row, before they are mixed.
  __aicore__ inline void number_rows(const Task& task, Rows own) {
    const int32_t size = task.heads.size;
    for (int32_t ahead = 0; ahead < lesser(size, own.count); ++ahead) {
      const int32_t head = task.heads.row(own.first + ahead).q_head;
      const HeadFamilies families = dropout_head(
          args_.seed, args_.offset, static_cast<uint32_t>(task.batch * q_heads_ + head));
      for (int32_t row = ahead; row < own.count; row += size) {
        const int32_t query = task.first_query + task.heads.row(own.first + row).q_index;
        number(row, families.adds, static_cast<uint32_t>(query));
        number(Layout::kRows + row, families.multipliers, static_cast<uint32_t>(query));
      }
    }
  }

  __aicore__ inline void number(int32_t at, const WordFamily& family, uint32_t counter) {
    const uint32_t word = dropout_unmixed(family, counter);
    ub_.drawn.SetValue(static_cast<uint32_t>(at), static_cast<int32_t>(word));
  }

  // words[row, n] = counter n of `count` * multiplier of the row + what it adds
  __aicore__ inline void draw_words(Rows rows, int32_t count) {
    const auto adds = ub_.low_spread.template ReinterpretCast<int32_t>();
    const auto multipliers = ub_.high_spread.template ReinterpretCast<int32_t>();
    spread_rows(adds, ub_.families[rows.offset()], rows.padded());
    spread_rows(multipliers, ub_.families[Layout::kRows + rows.offset()], rows.padded());
    vector_barrier();
    const uint8_t step = static_cast<uint8_t>(count / Arch::kBlockLanes);
    const uint8_t repeats = static_cast<uint8_t>(rows.count);
    for (int32_t column = 0; column < count; column += Arch::kVectorLanes) {
      const uint32_t at = static_cast<uint32_t>(column);
      AscendC::Mul(ub_.words[0][at], ub_.counters[at], multipliers, lanes_at(column, count),
                   repeats, AscendC::BinaryRepeatParams(1, 1, 0, step, 0, 1));
    }
    vector_barrier();
    for (int32_t column = 0; column < count; column += Arch::kVectorLanes) {
      const Words block = ub_.words[0][static_cast<uint32_t>(column)];
      AscendC::Add(block, block, adds, lanes_at(column, count), repeats, by_row(count));
    }
    vector_barrier();
  }

  __aicore__ static inline uint64_t lanes_at(int32_t column, int32_t count) {
    return static_cast<uint64_t>(lesser(Arch::kVectorLanes, count - column));
  }

  // As dropout_word() mixes.
  __aicore__ inline void mix(const Words& x, const Words& mixed, int32_t count) {
    xor_shifted(x, x, 16, count);
    AscendC::Muls(x, x, static_cast<int32_t>(kDropoutMix1), count);
    vector_barrier();
    xor_shifted(x, x, 15, count);
    AscendC::Muls(x, x, static_cast<int32_t>(kDropoutMix2), count);
    vector_barrier();
    xor_shifted(mixed, x, 16, count);
  }

  // to = x ^ x >> distance. There is no xor, and "and" and "or" are of halves of words.
  __aicore__ inline void xor_shifted(const Words& to, const Words& x, uint32_t distance,
                                     int32_t count) {
    const Words &shifted = ub_.other_words, &any = ub_.words[1];
    const auto shifted_halves = shifted.template ReinterpretCast<uint16_t>();
    const auto halves = x.template ReinterpretCast<uint16_t>();
    AscendC::ShiftRight(shifted.template ReinterpretCast<uint32_t>(),
                        x.template ReinterpretCast<uint32_t>(), distance, count);
    vector_barrier();
    AscendC::Or(any.template ReinterpretCast<uint16_t>(), halves, shifted_halves, 2 * count);
    vector_barrier();
    AscendC::And(shifted_halves, halves, shifted_halves, 2 * count);
    vector_barrier();
    AscendC::Sub(to, any, shifted, count);
    vector_barrier();
  }

  __aicore__ inline void compare_bytes(int32_t count) {
    constexpr int32_t kHalfLanes = 2 * Arch::kVectorLanes;
    AscendC::Cast(ub_.bytes, ub_.other_words.template ReinterpretCast<uint8_t>(),
                  AscendC::RoundMode::CAST_NONE, static_cast<uint32_t>(count));
    vector_barrier();
    AscendC::CompareScalar(
        ub_.kept, ub_.bytes, static_cast<half>(static_cast<float>(args_.threshold)),
        AscendC::CMPMODE::LE, static_cast<uint32_t>(round_up(count, kHalfLanes)));
    vector_barrier();
  }

  __aicore__ inline void mark(const AscendC::LocalTensor<float>& probs, int32_t count) {
    constexpr int32_t kStep = Layout::kSlots * Layout::kPartialElements;
    for (int32_t first = 0; first < count; first += kStep) {
      const AscendC::LocalTensor<float> part = probs[static_cast<uint32_t>(first)];
      const int32_t elements = lesser(kStep, count - first);
      AscendC::Muls(ub_.negated, part, -1.0f, elements);
      vector_barrier();
      AscendC::Select(part, ub_.kept[static_cast<uint32_t>(first / 8)], part, ub_.negated,
                      AscendC::SELMODE::VSEL_TENSOR_TENSOR_MODE, Arch::kVectorLanes,
                      static_cast<uint8_t>(elements / Arch::kVectorLanes),
                      AscendC::BinaryRepeatParams());
      vector_barrier();
    }
  }

  // Partial output may come into its places only after what was done there.
  __aicore__ inline void release_scratch() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      wait_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
      set_event<Event::V_MTE2>(UbInEvent::kPartial, slot);
    }
  }

  DropoutArgs args_;
  int32_t q_heads_;
  bool given_;
  UbBuffers<Config>& ub_;
};

}  // namespace fa::npu
