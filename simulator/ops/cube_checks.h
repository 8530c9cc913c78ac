// Parameter checks and unit flags that the cube's operations share.
#pragma once

#include <cstdint>
#include <string>

#include "ascsim/instruction.h"
#include "ascsim/machine.h"

namespace ascsim {

struct Field {
  const char* name;
  int64_t value;
  int bits;      // of the parameter's field
  int64_t high;  // largest value that the documentation allows
};

// Reports a value that the field cuts off, or that is documented as not allowed.
inline bool require_field(Instruction& i, const Field& f) {
  const int64_t limit = (int64_t{1} << f.bits) - 1;
  if (f.value < 0 || f.value > limit) {
    i.require(false, Check::kNarrowing, [&] {
      return std::string(f.name) + " " + std::to_string(f.value) + " does not fit its field of " +
             std::to_string(f.bits) + " bits";
    });
    return false;
  }
  if (f.value > f.high) {
    i.require(false, Check::kParameter, [&] {
      return std::string(f.name) + " " + std::to_string(f.value) + ", allowed 0 to " +
             std::to_string(f.high);
    });
    return false;
  }
  return true;
}

inline bool require_memory(Instruction& i, const Operand& operand, bool ok, const char* what) {
  i.require(ok, Check::kParameter, [&] {
    return std::string(what) + " is in " + name_of(operand.memory) +
           ", where this instruction cannot have it";
  });
  return ok;
}

inline bool require_unit_flag_value(Instruction& i, int64_t value) {
  const bool ok = value == 0 || value == 2 || value == 3;
  i.require(ok, Check::kParameter,
            [&] { return "unitFlag " + std::to_string(value) + ", allowed 0, 2, 3"; });
  return ok;
}

// The unit flags of `count` runs of `bytes` bytes, `stride` bytes apart, in L0C. Source: "UnitFlag"
// page. A writer (Mmad) waits for 0 and leaves 1 with unit_flag 3, a reader (Fixpipe) the reverse.
// The simulator executes in program order, so a flag that no earlier instruction has brought about
// is waited for in vain.
inline void use_unit_flags(Instruction& i, bool writer, int64_t unit_flag, uint64_t address,
                           int64_t bytes, int64_t count, int64_t stride, Site site) {
  if (unit_flag == 0) return;
  Core& core = i.core();
  const uint8_t awaited = writer ? 0 : 1;
  int64_t bad = -1;
  for (int64_t n = 0; n < count; ++n) {
    const int64_t begin = static_cast<int64_t>(address) + n * stride;
    if (begin < 0 || begin + bytes > Soc::kL0cBytes) return;  // reported as out of bounds
    const int64_t last = (begin + bytes - 1) / kFractalBytes;
    for (int64_t block = begin / kFractalBytes; block <= last; ++block) {
      uint8_t& flag = core.unit_flags[static_cast<size_t>(block)];
      if (flag != awaited && bad < 0) bad = block;
      if (unit_flag == 3) flag = writer ? 1 : 0;
    }
  }
  if (writer && unit_flag == 3) core.unit_flag_site = site;
  i.require(bad < 0, Check::kState, [&] {
    return "waits for the unit flag of L0C block " + std::to_string(bad) +
           " (512 bytes each) to be " +
           (writer ? "cleared by a Fixpipe with unitFlag 3" : "set by a Mmad with unitFlag 3") +
           ", and no instruction before it does that";
  });
}

}  // namespace ascsim
