// What all moves share: limits of parameter fields, stores to GM under an atomic mode, overlap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ascsim/instruction.h"
#include "ascsim/machine.h"
#include "ascsim/ops_move.h"

namespace ascsim {

inline constexpr int64_t kBlockCountLimit = 4095;  // documented for all of DataCopy
inline constexpr int64_t kShortMax = 65535;        // fields of 16 bits
inline constexpr int64_t kWordMax = 4294967295;    // fields of 32 bits

// Reports a value that its field cuts off, or that fits but is not allowed.
inline void require_field(Instruction& i, const char* name, int64_t value, int64_t width_max,
                          int64_t low, int64_t high) {
  if (value >= low && value <= high) return;
  const bool fits = value >= 0 && value <= width_max;
  i.require(false, fits ? Check::kParameter : Check::kNarrowing, [&] {
    return std::string(name) + " " + std::to_string(value) + ", allowed " + std::to_string(low) +
           " to " + std::to_string(high);
  });
}

// Declares a store of `from` to GM. Under an atomic mode the stored bytes are added to (or compared
// with) what GM holds, so both must be values.
void declare_store(Instruction& i, const Region& from, const Region& to, DType dtype);

// Code is compiled for both kinds of core, and what moves to or from UB does nothing on an AIC
// (vector_elementwise.h has the same rule for vector instructions).
inline bool ub_on_aic(const Operand& to, const Operand& from) {
  return machine().current().kind() == CoreKind::kAic &&
         (to.memory == Memory::kUb || from.memory == Memory::kUb);
}

inline bool atomic_now(Instruction& i) { return i.core().state.atomic != AtomicOp::kNone; }

// Whether two strided areas of one memory share a byte. `stride` from piece to piece.
bool pieces_overlap(uint64_t a, int64_t a_stride, uint64_t b, int64_t b_stride, int64_t count,
                    int64_t bytes);

// Writes `bytes` bytes of repeated elements and marks them as written.
void write_pattern(const Operand& at, int64_t bytes, uint64_t value, int element_bytes);

inline int element_bytes(const Operand& at) {
  return bits_of(at.dtype) < 8 ? 1 : bits_of(at.dtype) / 8;
}

// GM side of a move as timing sees it: neighbouring blocks are one piece.
inline void set_runs(MoveWork& work, const Operand& gm, int64_t count, int64_t bytes,
                     int64_t stride) {
  work.gm_address = gm.address;
  const bool dense = count == 1 || stride == bytes;
  work.runs = dense ? 1 : static_cast<uint32_t>(count);
  work.run_bytes = static_cast<uint32_t>(dense ? count * bytes : bytes);
  work.run_stride = dense ? count * bytes : stride;
}

}  // namespace ascsim
