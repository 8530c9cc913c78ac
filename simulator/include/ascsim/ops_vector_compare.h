// Vector unit (pipe V): comparisons, the compare mask register, selection.
#pragma once

#include <cstdint>

#include "ascsim/ops_vector.h"
#include "ascsim/types.h"

namespace ascsim {

enum class CompareOp : uint8_t { kLess, kGreater, kEqual, kLessEqual, kGreaterEqual, kNotEqual };

// One bit per element into `dst`, one behind the other. The mask arguments of these functions have
// no effect on A2/A3.
struct Comparison {
  const char* name = "Compare";
  CompareOp op = CompareOp::kLess;
  Operand dst, a, b;
  bool scalar = false;       // `b` is the value `scalar_bits` instead
  uint32_t scalar_bits = 0;  // in the type of `a`
  bool counted = false;
  int64_t count = 0;    // counted: elements
  int64_t repeats = 0;  // else
  Steps a_steps, b_steps;
};
void vector_compare(const Comparison& comparison, Site site);

// One repeat into the compare mask register.
void vector_compare_register(CompareOp op, const Operand& a, const Operand& b, const Lanes& lanes,
                             Steps a_steps, Steps b_steps, Site site);
void get_compare_mask(const Operand& dst, Site site);
void set_compare_mask(const Operand& src, Site site);

enum class SelectMode : uint8_t { kRegister, kScalar, kTensor };

// dst = mask bit ? src0 : src1. kRegister takes the same bits in each repeat; the others use up the
// bits of a tensor, and write UB above 184 KiB before.
struct Selection {
  SelectMode mode = SelectMode::kRegister;
  Operand dst, mask, src0, src1;
  uint32_t scalar_bits = 0;  // kScalar: src1
  bool prepared = false;     // the kernel has called SetCmpMask: no mask tensor, no scalar here
  Lanes lanes;
  Steps dst_steps, src0_steps, src1_steps;
};
void vector_select(const Selection& selection, Site site);

}  // namespace ascsim
