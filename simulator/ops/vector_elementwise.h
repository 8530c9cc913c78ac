// The element-wise instructions of pipe V: each lane of dst comes from the same lane of the
// sources. Their files give a description and a loop over contiguous elements; checks, regions,
// work and the walk over UB are here.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "ops/vector_plan.h"

namespace ascsim {

// A set of element types, for the table of what an operation takes.
class DTypes {
 public:
  constexpr DTypes(std::initializer_list<DType> list) {
    for (const DType dtype : list) bits_ |= 1u << static_cast<int>(dtype);
  }
  constexpr bool has(DType dtype) const { return ((bits_ >> static_cast<int>(dtype)) & 1) != 0; }
  std::string text() const;

 private:
  uint32_t bits_ = 0;
};

// A loop over `n` elements that lie one behind the other in each operand. dst may be a source.
using RunFunction = void (*)(uint8_t* dst, const uint8_t* a, const uint8_t* b, int64_t n,
                             uint64_t scalar);

struct ElementOperand {
  const char* name = "";
  Operand at;
  Steps steps;
};

// What the stride fields of an instruction hold.
struct StepLimits {
  int64_t block = 255;
  int64_t repeat = 255;
};

struct Elementwise {
  const char* name = "";
  VectorClass price = VectorClass::kAddSub;
  DTypes types = {};    // of dst
  std::string refusal;  // not empty: what is asked for does not exist
  RunFunction run = nullptr;
  uint64_t scalar = 0;                          // bits of the scalar operand
  int64_t scalar_value = 0, scalar_limit = -1;  // of shifts: checked to be in [0, limit]
  ElementOperand dst;
  std::array<ElementOperand, 2> sources;
  int source_count = 0;
  StepLimits limits;
  bool uses_dst = false;     // dst is a source too
  bool accumulates = false;  // dst may be src1 over all repeats, see check_overlap
  bool moves = false;        // copies bytes: being unwritten moves along
  Counts counts = Counts::kAllRepeats;
};

// Declares, checks, and executes. A vector instruction on an AIC is compiled out, so it does
// nothing.
void elementwise(const Elementwise& e, const Lanes& lanes, Site site);

// ---- for instructions that are not quite element-wise

bool on_aic();
void require_dtype(Instruction& i, const DTypes& allowed, DType dtype);
void require_in_ub(Instruction& i, const ElementOperand& operand);
// Steps that fit their fields and, for dst, do not put several blocks in one place.
void require_steps(Instruction& i, const ElementOperand& operand, StepLimits limits);
void require_dst_blocks(Instruction& i, const VectorPlan& plan, const ElementOperand& dst);

}  // namespace ascsim
