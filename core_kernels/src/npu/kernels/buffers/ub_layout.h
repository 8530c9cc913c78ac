#pragma once

// Places in UB, in bytes.

#include "kernel_operator.h"
#include "npu/kernels/arch.h"
#include "npu/kernels/tile_shape.h"

namespace fa::npu {

template <typename Config>
struct UbLayout {
  static constexpr int32_t kSlots = 2;
  static constexpr int32_t kFloat = 4, kElementBytes = 2;
  static constexpr int32_t kRows = TaskRows<Config>::kVector;
  static constexpr int32_t kOutBytes = kRows * Config::kValueDim * kFloat;
  // Probabilities have a place of their own, so that loads of scores need not wait for stores, but
  // for extras, which leave no room, and with head dims of 192/128, which are slower so: there they
  // take that of their scores. What is added to the output comes into the places of scores then,
  // where there is none for both.
  static constexpr bool kProbsApart = !Config::kExtras && Config::kHeadDim != 192;
  static constexpr bool kPartialShared = kProbsApart && Config::kValueDim > 64;
  // Scores that one pass of the softmax works on: at least 8 rows of a whole stack.
  static constexpr int32_t kChunk = kOutBytes > 64 * 1024 ? 4096 : 8192;
  // What frees a place of scores.
  static constexpr AscendC::HardEvent kScoresFree =
      kProbsApart ? AscendC::HardEvent::V_MTE2 : AscendC::HardEvent::MTE3_MTE2;
  static constexpr int32_t kChunkRows = kPartialShared ? 32 : 64;  // at most
  // Where UB is full: the LSE of a task waits for its store there.
  static constexpr bool kLseInSpread = Config::kValueDim > 256;
  static constexpr int32_t kPartialElements = kPartialShared ? kChunk : 2048;
  static_assert(kChunk >= Arch::kBlockLanes * Stack<Config>::kKeys);
  static_assert(kPartialElements >= Arch::kBlockLanes * Config::kValueDim);

  // A row of a chunk is reduced in parts of as many columns as three steps of a tree take.
  static constexpr int32_t kPartKeys = 512;
  static constexpr int32_t kParts = (Stack<Config>::kKeys + kPartKeys - 1) / kPartKeys;

  static constexpr int32_t kRowRepeats = (kRows + Arch::kVectorLanes - 1) / Arch::kVectorLanes;
  static constexpr int32_t kRowNumbers = kRowRepeats * Arch::kVectorLanes;  // one per row
  static constexpr int32_t kRowBytes = kRowNumbers * kFloat;
  static constexpr int32_t kSpreadBytes = kRows * Arch::kBlockBytes;  // a block per row
  static constexpr int32_t kChunkSpreadBytes = kChunkRows * Arch::kBlockBytes;

  static constexpr int32_t kScores = 0;
  static constexpr int32_t kScoresEnd = kScores + kSlots * kChunk * kFloat;
  static constexpr int32_t kProbs = kProbsApart ? kScoresEnd : kScores;
  static constexpr int32_t kProbsEnd = kScoresEnd + (kProbsApart ? kChunk * kElementBytes : 0);
  static constexpr int32_t kPartial = kPartialShared ? kScores : kProbsEnd;
  static constexpr int32_t kOut =
      kPartialShared ? kProbsEnd : kPartial + kSlots * kPartialElements * kFloat;
  static constexpr int32_t kOutEnd = kOut + kOutBytes;
  static constexpr int32_t kFold =
      Config::kExtras ? greater(kOutEnd, 2 * Arch::kUbBankBytes) : kOutEnd;
  static constexpr int32_t kFoldBytes = kChunk / Arch::kBlockLanes * kFloat;
  static constexpr int32_t kSpread = kFold + kFoldBytes;
  // Before a maximum per row is spread there, parts of rows on the way to it. Chunks of rows with
  // several parts have few of them.
  static constexpr int32_t kPartMax = kSpread;
  static constexpr int32_t kPartMaxBytes = kSpreadBytes / kParts;
  static_assert(kParts == 1 || kChunk / kPartKeys * Arch::kBlockBytes <= kPartMaxBytes);
  // Dropout, behind the softmax of a chunk: two places for random words, one word for four scores,
  // share those of partial output, and so do their bytes as numbers. A third one is in other banks,
  // and 256 bytes off, which makes it those of another group.
  static constexpr int32_t kWordBytes = Config::kExtras ? kChunk : 0;
  static constexpr int32_t kBankOffset = Config::kExtras ? 256 : 0;
  static constexpr int32_t kOtherWords = kFold + kBankOffset;
  static constexpr int32_t kSpreadPlace =
      greater(kSpreadBytes, kWordBytes + kBankOffset - kFoldBytes);
  static_assert(kSlots * kPartialElements * kFloat >= 2 * kWordBytes);
  static_assert(!Config::kExtras || !kProbsApart);
  static_assert((kPartial - kFold) % (2 * Arch::kVectorLanes * kFloat) == 0);
  static constexpr int32_t kLowSpread = kSpread + kSpreadPlace;
  static constexpr int32_t kHighSpread = kLowSpread + kChunkSpreadBytes;
  static constexpr int32_t kLseSpread = kLseInSpread ? kSpread : kHighSpread + kChunkSpreadBytes;
  static constexpr int32_t kColumns =  // 0, 1, 2, ...
      kHighSpread + kChunkSpreadBytes + (kLseInSpread ? 0 : kSpreadBytes);
  static constexpr int32_t kTwos = kColumns + Stack<Config>::kKeys * kFloat;
  static constexpr int32_t kFactors = kTwos + Arch::kVectorLanes * kFloat;
  static constexpr int32_t kSumFold = kFactors + Arch::kVectorLanes * kFloat;
  static constexpr int32_t kBits = kSumFold + kParts * kSpreadBytes;
  static constexpr int32_t kLow = kBits + kChunkRows * Arch::kVectorLanes / 8;  // two slots each
  static constexpr int32_t kHigh = kLow + kSlots * kRowBytes;
  static constexpr int32_t kRelative = kHigh + kSlots * kRowBytes;
  static constexpr int32_t kSinks = kRelative + kRowBytes;
  static constexpr int32_t kDrawn = kSinks + kRowBytes;
  static constexpr int32_t kFamilyBytes = Config::kExtras ? 2 * kRowBytes : 0;
  static constexpr int32_t kLimit = kDrawn + kFamilyBytes;
  static constexpr int32_t kRowMax = kLimit + kRowBytes;
  static constexpr int32_t kNewShift = kRowMax + kParts * kRowBytes;
  static constexpr int32_t kRowSum = kNewShift + kRowBytes;
  static constexpr int32_t kShift = kRowSum + kRowBytes;  // one per task in flight
  static constexpr int32_t kSum = kShift + kUnitsInFlight * kRowBytes;
  static constexpr int32_t kAlpha = kSum + kUnitsInFlight * kRowBytes;  // one per unit in flight
  static constexpr int32_t kFamilies = kAlpha + kUnitsInFlight * kRowBytes;
  static constexpr int32_t kKept = kFamilies + kFamilyBytes;
  static constexpr int32_t kKeptBytes = Config::kExtras ? kChunk / 8 : 0;
  static constexpr int32_t kCounters = kKept + kKeptBytes;
  static constexpr int32_t kCounterBytes = Config::kExtras ? Stack<Config>::kKeys / 4 * kFloat : 0;
  static constexpr int32_t kEnd = kCounters + kCounterBytes;
  static_assert(kEnd <= Arch::kUbBytes);
};

}  // namespace fa::npu
