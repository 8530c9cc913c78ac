// What an instruction does, in the terms its price depends on. Operations fill these in; only
// timing/ reads them, so a new timing profile never touches the operations.
#pragma once

#include <cstdint>
#include <variant>

#include "ascsim/types.h"

namespace ascsim {

// A vector operand as the bank model sees it: strides in 32-byte blocks.
struct VectorOperand {
  uint32_t address = 0;  // bytes in UB
  uint16_t block_stride = 1;
  uint16_t repeat_stride = 8;
  bool present = false;
  uint8_t blocks = 8;  // of one repeat
};

enum class VectorClass : uint8_t {
  kAddSub,
  kMul,
  kMaxMin,
  kScalarAdd,
  kScalarMul,
  kScalarMaxMin,
  kAbsRelu,
  kReciprocal,
  kExp,
  kLn,
  kSqrt,
  kDiv,
  kFusedMulAdd,
  kLogic,
  kShift,
  kCastWiden,
  kCastNarrow,
  kCastSame,
  kDuplicate,
  kCopy,
  kBrcb,
  kBlockReduceMax,
  kBlockReduceSum,
  kWholeReduceMax,
  kWholeReduceSum,
  kPairReduceSum,
  kCompare,
  kCompareScalar,
  kSelect,
  kGatherMask,
  kGather,
  kTranspose,
  kHighLevel  // library call with a fixed price per element
};

struct VectorWork {
  VectorClass op = VectorClass::kAddSub;
  DType dtype = DType::kFp32;  // the wider type of a cast
  uint32_t repeats = 0;
  uint32_t elements = 0;  // active lanes over all repeats
  VectorOperand dst, src0, src1;
};

struct MmadWork {
  DType dtype = DType::kFp16;
  uint16_t m = 0, n = 0, k = 0;
  bool hf32 = false;  // dtype kFp32, rounded to HF32: twice the rate
  uint8_t unit_flag = 0;
  uint32_t l0c_address = 0;  // bytes; with unit_flag, the blocks that are waited for and released
};

enum class LoadKind : uint8_t { k2d, kTranspose, k3d, kToBt, kToFb, kFill };

struct LoadWork {  // MTE1, and L1 to FB on FIX
  LoadKind kind = LoadKind::k2d;
  Memory to = Memory::kL0a;
  uint32_t bytes = 0;
  uint32_t repeats = 0;
};

enum class MovePath : uint8_t { kGmToL1, kGmToUb, kGmToL0, kUbToGm, kL1ToGm, kFillL1 };

struct MoveWork {  // MTE2, MTE3
  MovePath path = MovePath::kGmToUb;
  bool nd2nz = false;
  bool atomic = false;
  bool cached = true;      // false: L2 is passed by (SetL2CacheHint)
  uint32_t runs = 0;       // contiguous pieces in GM
  uint32_t run_bytes = 0;  // bytes of one piece
  int64_t run_stride = 0;  // bytes from the start of a piece to the next in GM
  uint64_t gm_address = 0;
};

struct FixpipeWork {
  bool to_gm = true;  // false: to L1
  bool nz2nd = false;
  bool atomic = false;
  uint8_t out_bytes = 2;  // of one element
  uint16_t m = 0, n = 0, matrices = 1;
  uint8_t unit_flag = 0;
  uint32_t l0c_address = 0;
  uint64_t gm_address = 0;  // the same meaning as in MoveWork when to_gm
  uint32_t run_bytes = 0, runs = 0;
  int64_t run_stride = 0;
};

enum class ScalarKind : uint8_t { kSetState, kMoveMask, kLoad, kStore, kCacheClean };

struct ScalarWork {
  ScalarKind kind = ScalarKind::kSetState;
  uint32_t count = 1;
  uint64_t gm_address = 0;  // of a clean
  bool entire = false;      // a clean of the whole cache
};

using Work = std::variant<ScalarWork, VectorWork, MmadWork, LoadWork, MoveWork, FixpipeWork>;

}  // namespace ascsim
