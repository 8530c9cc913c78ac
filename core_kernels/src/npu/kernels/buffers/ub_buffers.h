#pragma once

// The tensors of a vector core.

#include "kernel_operator.h"
#include "npu/kernels/buffers/ub_layout.h"
#include "npu/kernels/vector.h"

namespace fa::npu {

template <typename Config>
struct UbBuffers {
  using T = typename Config::Element;
  using Layout = UbLayout<Config>;
  template <typename E>
  using Tensor = AscendC::LocalTensor<E>;

  __aicore__ inline UbBuffers() {
    for (int32_t slot = 0; slot < Layout::kSlots; ++slot) {
      place(scores[slot], Layout::kScores, slot, Layout::kChunk);
      if constexpr (Layout::kProbsApart) {
        place(probs[slot], Layout::kProbs, 0, Layout::kChunk);
      } else {
        probs[slot] = scores[slot].template ReinterpretCast<T>();
      }
      place(partial[slot], Layout::kPartial, slot, Layout::kPartialElements);
      place(low[slot], Layout::kLow, slot, Layout::kRowNumbers);
      place(high[slot], Layout::kHigh, slot, Layout::kRowNumbers);
    }
    for (int32_t slot = 0; slot < kUnitsInFlight; ++slot) {
      place(shift[slot], Layout::kShift, slot, Layout::kRowNumbers);
      place(sum[slot], Layout::kSum, slot, Layout::kRowNumbers);
      place(alpha[slot], Layout::kAlpha, slot, Layout::kRowNumbers);
    }
    constexpr int32_t kSpreadElements = Layout::kSpreadBytes / Layout::kFloat;
    place(out, Layout::kOut, 0, Layout::kRows * Config::kValueDim);
    rounded_out = out.template ReinterpretCast<T>();
    place(fold, Layout::kFold, 0, Layout::kChunk / Arch::kBlockLanes);
    place(spread, Layout::kSpread, 0, kSpreadElements);
    for (int32_t part = 0; part < Layout::kParts; ++part) {
      place(row_max[part], Layout::kRowMax, part, Layout::kRowNumbers);
      place(part_max[part], Layout::kPartMax, part, Layout::kPartMaxBytes / Layout::kFloat);
      place(sum_fold[part], Layout::kSumFold, part, kSpreadElements);
    }
    constexpr int32_t kChunkSpreadElements = Layout::kChunkSpreadBytes / Layout::kFloat;
    place(low_spread, Layout::kLowSpread, 0, kChunkSpreadElements);
    place(high_spread, Layout::kHighSpread, 0, kChunkSpreadElements);
    place(lse_spread, Layout::kLseSpread, 0, kSpreadElements);
    place(columns, Layout::kColumns, 0, Stack<Config>::kKeys);
    place(twos, Layout::kTwos, 0, Arch::kVectorLanes);
    place(factors, Layout::kFactors, 0, Arch::kVectorLanes);
    place(bits, Layout::kBits, 0, Layout::kChunkRows * Arch::kVectorLanes / 8);
    place(relative, Layout::kRelative, 0, Layout::kRowNumbers);
    place(limit, Layout::kLimit, 0, Layout::kRowNumbers);
    place(new_shift, Layout::kNewShift, 0, Layout::kRowNumbers);
    place(row_sum, Layout::kRowSum, 0, Layout::kRowNumbers);
    place(sinks, Layout::kSinks, 0, Layout::kRowNumbers);
    if constexpr (Config::kExtras) place_dropout();
  }

  // Spreading reads numbers of rows that a task may not have: they shall be numbers.
  __aicore__ inline void clear_row_numbers() {
    constexpr int32_t kBytes = Layout::kEnd - Layout::kLimit;
    AscendC::Duplicate(limit, 0.0f, kBytes / Layout::kFloat);
  }

  Tensor<float> scores[Layout::kSlots];   // [rows, width]
  Tensor<T> probs[Layout::kSlots];        // in place of the scores, or both in one of their own
  Tensor<float> partial[Layout::kSlots];  // [rows, value pitch]
  Tensor<float> out;                      // [rows, value pitch]
  Tensor<T> rounded_out;                  // in place of it
  Tensor<float> fold;                     // a chunk with each block reduced to one number
  Tensor<float> spread, low_spread, high_spread, lse_spread;  // [rows, 8]: a number in a block
  Tensor<float> columns;                                      // 0, 1, 2, ...
  Tensor<float> twos, factors;                                // 2, 2, ...; scale, scale, ...
  // Of 512 columns of each row: [rows, 8] on the way to one number, and that number.
  Tensor<float> sum_fold[Layout::kParts], part_max[Layout::kParts], row_max[Layout::kParts];
  Tensor<uint8_t> bits;                                       // [rows, 64 bits]
  Tensor<int32_t> low[Layout::kSlots], high[Layout::kSlots];  // first key, and end, of each row
  Tensor<int32_t> relative;
  Tensor<float> limit, new_shift, row_sum, sinks;
  Tensor<float> shift[kUnitsInFlight], sum[kUnitsInFlight];  // of a task; shift = -scale * max
  Tensor<float> alpha[kUnitsInFlight];                       // of a unit
  // Dropout, with extras only. Of each row: what to add, what to multiply with.
  Tensor<int32_t> drawn, families;  // [2, rows]: as numbered, and mixed
  Tensor<int32_t> counters;         // 0, 1, 2, ... from the first key of the unit on
  Tensor<int32_t> words[2];         // of a chunk, in the places of partial
  Tensor<int32_t> other_words;      // in those of fold and spread
  Tensor<half> bytes;               // [rows, width]: of other_words, in the places of partial
  Tensor<float> negated;            // there too
  Tensor<uint8_t> kept;             // [rows, width bits]

 private:
  __aicore__ inline void place_dropout() {
    constexpr int32_t kWords = Layout::kWordBytes / Layout::kFloat;
    place(drawn, Layout::kDrawn, 0, 2 * Layout::kRows);
    place(families, Layout::kFamilies, 0, 2 * Layout::kRows);
    for (int32_t slot = 0; slot < 2; ++slot) place(words[slot], Layout::kPartial, slot, kWords);
    place(other_words, Layout::kOtherWords, 0, kWords);
    place(bytes, Layout::kPartial, 0, Layout::kChunk);
    place(negated, Layout::kPartial, 0, Layout::kSlots * Layout::kPartialElements);
    place(counters, Layout::kCounters, 0, Layout::kCounterBytes / Layout::kFloat);
    place(kept, Layout::kKept, 0, Layout::kKeptBytes);
  }

  template <typename E>
  __aicore__ static inline void place(Tensor<E>& tensor, int32_t at, int32_t slot,
                                      int32_t elements) {
    const int32_t bytes = slot * elements * static_cast<int32_t>(sizeof(E));
    place_in_ub(tensor, at + bytes, elements);
  }
};

// A stretch of rows in UB. Numbers per row are spread eight by eight, so up to seven rows behind
// the last one are spread too; nothing is computed from those.
struct Rows {
  int32_t first;
  int32_t count;

  __aicore__ inline int32_t padded() const { return round_up(count, Arch::kBlockLanes); }
  __aicore__ inline uint32_t offset(int32_t pitch = 1) const {
    return static_cast<uint32_t>(first * pitch);
  }
};

// How a row-wise instruction walks 64 columns of all rows: `pitch` elements from row to row on the
// left, a block per row on the right.
__aicore__ inline AscendC::BinaryRepeatParams by_row(int32_t pitch) {
  const uint8_t step = static_cast<uint8_t>(pitch / Arch::kBlockLanes);
  return AscendC::BinaryRepeatParams(1, 1, 0, step, step, 1);
}

}  // namespace fa::npu
