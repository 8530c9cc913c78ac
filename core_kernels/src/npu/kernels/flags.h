#pragma once

// Every event and cross-core flag of the forward kernels. Ids 6 and 7 of a pair of pipes may belong
// to the system, so none goes beyond 5.

#include <cstdint>

#include "kernel_operator.h"
#include "npu/kernels/caller.h"

namespace fa::npu {

// MTE2 -> MTE1 "filled" and back "free". Each name is the first of two slots. Queries ride on the
// event of the keys that follow them, values on that of probabilities: both pipes are in order, see
// ScoreProducts::load_keys and OutputProducts::load_operands.
// kValues: MTE1 -> MTE2, all reads so far are done.
enum class L1Event : int8_t { kKeys = 0, kStream = 2, kValues = 4 };
// Of the mla kernels: MTE2 -> MTE1 "filled" and back "free", of the pieces in the ring. Queries and
// probabilities ride on the piece that follows them; they are free, M -> MTE2, when the last
// product with them is done.
enum class MlaEvent : int8_t { kPieces = 0 };
enum class MlaProductEvent : int8_t { kProbs = 0, kQuery = 2 };
// MTE1 -> M "filled" and back "free", of a pair of slots in L0A and L0B.
enum class L0Event : int8_t { kOperands = 0 };
// M -> FIX: all products so far have read their operands. (L0C itself has unit flags.)
enum class CubeEvent : int8_t { kOperandsRead = 0 };

// MTE2 -> V "filled"; back "free", for scores by way of MTE3, which stores what takes their place.
enum class UbInEvent : int8_t { kScores = 0, kPartial = 2 };
// V -> MTE3 "filled" and back "free".
// kStack: MTE3 -> V "free", of the places of scores while stacks are cast.
enum class UbOutEvent : int8_t { kProbs = 0, kOut = 2, kLse = 3, kStack = 4 };
// S -> V "filled" and back "free".
enum class ScalarEvent : int8_t { kLimits = 0, kSinks = 2, kFamilies = 3 };

// Of the combine kernel: MTE2 -> V "filled" and back "free"; V -> MTE3 and back.
enum class CombineEvent : int8_t { kPartial = 0, kLse = 2, kOut = 3 };

// Of the append kernel: MTE2 -> V or MTE3 "filled", V -> MTE3; back from MTE3 and V to MTE2.
enum class AppendEvent : int8_t { kRows = 0, kTables = 1 };

// Each is set once per unit of work, and at most kUnitsInFlight are pending.
// kStackDone: keys and values of an int8 cache are cast.
enum class CrossFlag : uint16_t {
  kScoresDone = 0,
  kProbsDone = 1,
  kPartialDone = 2,
  kStackDone = 3
};

template <typename Event>
__aicore__ inline int8_t id_of(Event event, int32_t slot = 0) {
  return static_cast<int8_t>(static_cast<int32_t>(event) + slot);
}

template <AscendC::HardEvent direction, typename Event>
__aicore__ inline void set_event(Event event, int32_t slot = 0, Caller caller = Caller::here()) {
  AscendC::SetFlag<direction>(static_cast<event_t>(id_of(event, slot)) FA_AT(caller));
}

template <AscendC::HardEvent direction, typename Event>
__aicore__ inline void wait_event(Event event, int32_t slot = 0, Caller caller = Caller::here()) {
  AscendC::WaitFlag<direction>(static_cast<event_t>(id_of(event, slot)) FA_AT(caller));
}

// Between the cube core and its two vector cores.
template <pipe_t pipe>
__aicore__ inline void set_cross(CrossFlag flag, Caller caller = Caller::here()) {
  constexpr uint8_t kCubeAndItsVectors = 2;
  AscendC::CrossCoreSetFlag<kCubeAndItsVectors, pipe>(static_cast<uint16_t>(flag) FA_AT(caller));
}

__aicore__ inline void wait_cross(CrossFlag flag, Caller caller = Caller::here()) {
  AscendC::CrossCoreWaitFlag(static_cast<uint16_t>(flag) FA_AT(caller));
}

}  // namespace fa::npu
