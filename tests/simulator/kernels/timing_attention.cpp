// A pipeline of attention as the published kernels have it: one head, 128 query rows per task,
// tiles of `stack` keys, D = 128; scores, probabilities and partial outputs pass through GM. The
// matrix core runs two tiles ahead of the vector cores.
//
// Per tile and AIV (64 rows): row maximum, subtraction, exponential, row sum, cast, then the output
// of the tile before last is rescaled and added.
#include "kernel_operator.h"
#include "priced.h"

using namespace AscendC;
using ascsim::VectorClass;
using priced::at;

namespace {

constexpr uint32_t kRows = 128, kDim = 128, kTile = 128;
constexpr uint32_t kLead = 2, kBuffers = kLead + 1;
constexpr uint32_t kHalfRows = kRows / 2;
constexpr int kScores = 1, kProbabilities = 2, kOutput = 3;  // cross-core flags

// Made-up buffers: inputs, result, and each core's workspace.
constexpr uint64_t kQ = priced::gm(1), kK = priced::gm(2), kV = priced::gm(3), kO = priced::gm(4);

struct Workspace {
  uint64_t scores, probabilities, output;
};

Workspace workspace(uint32_t tile, uint32_t stack) {
  const uint64_t slot =
      static_cast<uint64_t>((g_coreType == AIC ? GetBlockIdx() : GetBlockIdx() / 2)) * kBuffers +
      tile % kBuffers;
  const uint64_t elements = uint64_t{kRows} * stack;
  return {priced::gm(5, slot * elements * 4), priced::gm(6, slot * elements * 2),
          priced::gm(7, slot * kRows * kDim * 4)};
}

// ---- AIC

struct CubeSlots {
  uint32_t l1 = 0, l0 = 0, l0c = 0;
};

void product(CubeSlots& slots, priced::Tile tile, uint8_t unit_flag) {
  WaitFlag<HardEvent::M_MTE1>(slots.l0);
  priced::load(ascsim::Memory::kL0a, tile.m * tile.k * 2);
  priced::load(ascsim::Memory::kL0b, tile.n * tile.k * 2);
  SetFlag<HardEvent::MTE1_M>(slots.l0);
  WaitFlag<HardEvent::MTE1_M>(slots.l0);
  priced::mmad(tile, unit_flag, slots.l0c * 65536);
  SetFlag<HardEvent::M_MTE1>(slots.l0);
  slots.l0 ^= 1;
}

void scores_tile(CubeSlots& slots, uint32_t tile, uint32_t stack) {
  const Workspace w = workspace(tile, stack);
  for (uint32_t n = 0; n < stack; n += kTile) {
    WaitFlag<HardEvent::MTE1_MTE2>(slots.l1);
    priced::move(ascsim::MovePath::kGmToL1, kK + (uint64_t{tile} * stack + n) * kDim * 2,
                 {kTile, kDim * 2, kDim * 2}, true);
    SetFlag<HardEvent::MTE2_MTE1>(slots.l1);
    WaitFlag<HardEvent::MTE2_MTE1>(slots.l1);
    product(slots, {kRows, kTile, kDim}, 3);
    SetFlag<HardEvent::MTE1_MTE2>(slots.l1);
    slots.l1 ^= 1;
    priced::fixpipe({kRows, kTile, 0}, 4, w.scores + n * 4, int64_t{stack} * 4, 3,
                    slots.l0c * 65536);
    slots.l0c ^= 1;
  }
  CrossCoreSetFlag<2, PIPE_FIX>(kScores);
}

void output_tile(CubeSlots& slots, uint32_t tile, uint32_t stack) {
  const Workspace w = workspace(tile, stack);
  CrossCoreWaitFlag(kProbabilities);
  for (uint32_t k = 0; k < stack; k += kTile) {
    WaitFlag<HardEvent::MTE1_MTE2>(slots.l1);
    priced::move(ascsim::MovePath::kGmToL1, kV + (uint64_t{tile} * stack + k) * kDim * 2,
                 {kTile, kDim * 2, kDim * 2}, true);
    priced::move(ascsim::MovePath::kGmToL1, w.probabilities + k * 2,
                 {kRows, kTile * 2, int64_t{stack} * 2}, true);
    SetFlag<HardEvent::MTE2_MTE1>(slots.l1);
    WaitFlag<HardEvent::MTE2_MTE1>(slots.l1);
    product(slots, {kRows, kDim, kTile}, k + kTile == stack ? 3 : 2);
    SetFlag<HardEvent::MTE1_MTE2>(slots.l1);
    slots.l1 ^= 1;
  }
  priced::fixpipe({kRows, kDim, 0}, 4, w.output, kDim * 4, 3, slots.l0c * 65536);
  slots.l0c ^= 1;
  CrossCoreSetFlag<2, PIPE_FIX>(kOutput);
}

// ---- AIV

constexpr uint32_t kChunkBytes = 32768;  // of scores in UB
constexpr uint32_t kUbScores = 0, kUbHalf = 2 * kChunkBytes, kUbRow = kUbHalf + kChunkBytes,
                   kUbBlock = kUbRow + 8192, kUbOutput = kUbBlock + 8192;

void softmax_chunk(uint32_t slot, uint32_t rows, uint32_t stack) {
  const uint32_t scores = kUbScores + slot * kChunkBytes;
  const uint32_t repeats = rows * stack / 64;
  const auto row_step = static_cast<uint16_t>(stack / 8);
  priced::vector(VectorClass::kBlockReduceMax, "BlockReduceMax", repeats, at(kUbRow, 1, 1, 1),
                 at(scores));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kBlockReduceMax, "BlockReduceMax", (repeats + 7) / 8,
                 at(kUbRow, 1, 1, 1), at(kUbRow));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kMaxMin, "Max", 1, at(kUbRow), at(kUbRow), at(kUbRow + 2048));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kBrcb, "Brcb", rows / 8, at(kUbBlock), at(kUbRow, 0, 1));
  PipeBarrier<PIPE_V>();
  for (uint32_t column = 0; column < stack; column += 64) {
    priced::vector(VectorClass::kAddSub, "Sub", rows, at(scores + column * 4, 1, row_step),
                   at(scores + column * 4, 1, row_step), at(kUbBlock, 0, 1));
  }
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kExp, "Exp", repeats, at(scores), at(scores));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kCastNarrow, "Cast", repeats,
                 at(kUbHalf + slot * kChunkBytes / 2, 1, 4, 4), at(scores));
  priced::vector(VectorClass::kBlockReduceSum, "BlockReduceSum", repeats, at(kUbRow, 1, 1, 1),
                 at(scores));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kBlockReduceSum, "BlockReduceSum", (repeats + 7) / 8,
                 at(kUbRow, 1, 1, 1), at(kUbRow));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kAddSub, "Add", 1, at(kUbRow), at(kUbRow), at(kUbRow + 2048));
}

void softmax_tile(uint32_t& slot, uint32_t tile, uint32_t stack) {
  const Workspace w = workspace(tile, stack);
  const uint32_t rows = kChunkBytes / 4 / stack;
  CrossCoreWaitFlag(kScores);
  for (uint32_t row = 0; row < kHalfRows; row += rows) {
    const uint64_t first = (uint64_t(GetSubBlockIdx()) * kHalfRows + row) * stack;
    WaitFlag<HardEvent::V_MTE2>(slot);
    priced::move(ascsim::MovePath::kGmToUb, w.scores + first * 4,
                 {rows, stack * 4, int64_t{stack} * 4});
    SetFlag<HardEvent::MTE2_V>(slot);
    WaitFlag<HardEvent::MTE2_V>(slot);
    WaitFlag<HardEvent::MTE3_V>(slot);
    softmax_chunk(slot, rows, stack);
    SetFlag<HardEvent::V_MTE2>(slot);
    SetFlag<HardEvent::V_MTE3>(slot);
    WaitFlag<HardEvent::V_MTE3>(slot);
    priced::move(ascsim::MovePath::kUbToGm, w.probabilities + first * 2,
                 {rows, stack * 2, int64_t{stack} * 2});
    SetFlag<HardEvent::MTE3_V>(slot);
    slot ^= 1;
  }
  CrossCoreSetFlag<2, PIPE_MTE3>(kProbabilities);
}

void rescale_tile(uint32_t tile, uint32_t stack) {
  const Workspace w = workspace(tile, stack);
  constexpr uint32_t kElements = kHalfRows * kDim;
  CrossCoreWaitFlag(kOutput);
  WaitFlag<HardEvent::V_MTE2>(2);
  priced::move(ascsim::MovePath::kGmToUb, w.output + uint64_t(GetSubBlockIdx()) * kElements * 4,
               {1, kElements * 4, kElements * 4});
  SetFlag<HardEvent::MTE2_V>(2);
  for (uint32_t column = 0; column < kDim; column += 64) {
    priced::vector(VectorClass::kMul, "Mul", kHalfRows, at(kUbOutput + column * 4, 1, 16),
                   at(kUbOutput + column * 4, 1, 16), at(kUbBlock, 0, 1));
  }
  PipeBarrier<PIPE_V>();
  WaitFlag<HardEvent::MTE2_V>(2);
  priced::vector(VectorClass::kAddSub, "Add", kElements / 64, at(kUbOutput), at(kUbOutput),
                 at(kUbScores));
  SetFlag<HardEvent::V_MTE2>(2);
}

void store_output(uint32_t task) {
  constexpr uint32_t kElements = kHalfRows * kDim;
  priced::vector(VectorClass::kDiv, "Div", kElements / 64, at(kUbOutput), at(kUbOutput),
                 at(kUbBlock, 0, 1));
  PipeBarrier<PIPE_V>();
  priced::vector(VectorClass::kCastNarrow, "Cast", kElements / 64, at(kUbOutput, 1, 4, 4),
                 at(kUbOutput));
  SetFlag<HardEvent::V_MTE3>(3);
  WaitFlag<HardEvent::V_MTE3>(3);
  priced::move(ascsim::MovePath::kUbToGm,
               kO + (uint64_t{task} * 2 + uint64_t(GetSubBlockIdx())) * kElements * 2,
               {1, kElements * 2, kElements * 2});
}

}  // namespace

extern "C" __global__ __aicore__ void timing_attention(uint32_t rows, uint32_t keys,
                                                       uint32_t stack) {
  const uint32_t tasks = rows / kRows, tiles = keys / stack;
  const auto blocks = static_cast<uint32_t>(GetBlockNum());
  const auto block = static_cast<uint32_t>(g_coreType == AIC ? GetBlockIdx() : GetBlockIdx() / 2);
  CubeSlots slots;
  uint32_t slot = 0;
  if (g_coreType == AIC) {
    for (int i = 0; i < 2; ++i) {
      SetFlag<HardEvent::MTE1_MTE2>(i);
      SetFlag<HardEvent::M_MTE1>(i);
    }
  } else {
    for (int i = 0; i < 3; ++i) SetFlag<HardEvent::V_MTE2>(i);
    for (int i = 0; i < 2; ++i) SetFlag<HardEvent::MTE3_V>(i);
  }
  for (uint32_t task = block; task < tasks; task += blocks) {
    for (uint32_t step = 0; step < tiles + kLead; ++step) {
      if (g_coreType == AIC) {
        if (step == 0) {
          priced::move(ascsim::MovePath::kGmToL1, kQ + uint64_t{task} * kRows * kDim * 2,
                       {kRows, kDim * 2, kDim * 2}, true);
        }
        if (step < tiles) scores_tile(slots, step, stack);
        if (step >= kLead) output_tile(slots, step - kLead, stack);
      } else {
        if (step < tiles) softmax_tile(slot, step, stack);
        if (step >= kLead) rescale_tile(step - kLead, stack);
      }
    }
    if (g_coreType == AIV) store_output(task);
  }
  if (g_coreType == AIC) {
    for (int i = 0; i < 2; ++i) {
      WaitFlag<HardEvent::MTE1_MTE2>(i);
      WaitFlag<HardEvent::M_MTE1>(i);
    }
  } else {
    for (int i = 0; i < 3; ++i) WaitFlag<HardEvent::V_MTE2>(i);
    for (int i = 0; i < 2; ++i) WaitFlag<HardEvent::MTE3_V>(i);
  }
}

ASC_KERNEL(timing_attention, ascsim::KernelKind::kMix);
