// Vector unit (pipe V): operations on UB.
#pragma once

#include <cstdint>

#include "ascsim/types.h"

namespace ascsim {

// Which lanes work. Either the count form (a number of elements, laid out one behind the other), or
// repeats with a mask. A mask of the instruction itself is in `high`/`low`; without one, the mask
// that the kernel has set before holds.
struct Lanes {
  bool counted = false;
  int64_t count = 0;      // counted: elements
  int64_t repeats = 0;    // else: 0 to 255
  bool own_mask = false;  // `high` and `low` belong to the instruction
  bool leading = false;   // own_mask: given as a number of lanes, which counter mode cannot mean
  uint64_t high = 0, low = 0;
};

// Strides in 32-byte blocks: between the blocks of a repeat, and between repeats.
struct Steps {
  int64_t block = 1;
  int64_t repeat = 8;
};

enum class BinaryOp : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMax,
  kMin,
  kAnd,
  kOr,
  kAddRelu,
  kSubRelu,
  kMulAddDst,    // dst = src0 * src1 + dst
  kFusedMulAdd,  // dst = src0 * dst + src1
  kMulAddRelu    // dst = max(0, src0 * dst + src1)
};

void vector_binary(BinaryOp op, const Operand& dst, const Operand& a, const Operand& b,
                   const Lanes& lanes, Steps dst_steps, Steps a_steps, Steps b_steps, Site site);

enum class UnaryOp : uint8_t { kAbs, kRelu, kExp, kLn, kSqrt, kRsqrt, kReciprocal, kNot };

void vector_unary(UnaryOp op, const Operand& dst, const Operand& src, const Lanes& lanes,
                  Steps dst_steps, Steps src_steps, Site site);

enum class ScalarOp : uint8_t {
  kAdds,
  kMuls,
  kMaxs,
  kMins,
  kLeakyRelu,
  kShiftLeft,
  kShiftRight,
  kShiftRightRound,
  kAxpy  // dst = src * scalar + dst
};

// `scalar`: the bits of a value of src's type.
void vector_scalar(ScalarOp op, const Operand& dst, const Operand& src, uint64_t scalar,
                   const Lanes& lanes, Steps dst_steps, Steps src_steps, Site site);

enum class Rounding : uint8_t { kNone, kRint, kFloor, kCeil, kRound, kTrunc, kOdd };

void vector_cast(Rounding rounding, const Operand& dst, const Operand& src, const Lanes& lanes,
                 Steps dst_steps, Steps src_steps, Site site);

// `scalar`: the bits of a value of dst's type.
void vector_duplicate(const Operand& dst, uint64_t scalar, const Lanes& lanes, Steps dst_steps,
                      Site site);
// Each of 8 elements per repeat fills a block.
void vector_brcb(const Operand& dst, const Operand& src, int64_t repeats, Steps dst_steps,
                 Site site);
void vector_copy(const Operand& dst, const Operand& src, const Lanes& lanes, Steps dst_steps,
                 Steps src_steps, Site site);
// first, first + 1, ... in the lanes of the mask.
void vector_index(const Operand& dst, uint64_t first, const Lanes& lanes, Steps dst_steps,
                  Site site);

}  // namespace ascsim
