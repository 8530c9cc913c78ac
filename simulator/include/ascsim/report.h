// What the checks find in a kernel. A report is the kernel's defect; a SimulatorBug is ours.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ascsim/types.h"

namespace ascsim {

enum class Check : uint8_t {
  kCapacity,  // outside of a local memory, or in its reserved part
  kGmBounds,  // outside of the GM buffer that the pointer belongs to
  kAlignment,
  kParameter,      // a value that the documentation does not allow
  kNarrowing,      // a value that its parameter field cannot hold
  kUninitialized,  // use of bytes that nothing has written
  kFlag,           // set twice, waited for without a set, left over, too many pending
  kDeadlock,
  kHazard,  // two accesses that nothing orders
  kState,   // a core state that the instruction must not meet (masks, atomics, unit flag)
  kAssertion
};

const char* name_of(Check check);

// One instruction of one core.
struct Place {
  int block = 0;
  CoreKind kind = CoreKind::kAic;
  int sub_block = 0;
  Pipe pipe = Pipe::kS;
  const char* operation = "";
  Site site;
};

struct Report {
  Check check = Check::kParameter;
  std::string kind;  // RAW, WAR, WAW for hazards; else a word for the sort of defect
  std::string kernel;
  Place place;
  std::optional<Place> other;  // the earlier access of a hazard, the set of a flag
  std::string memory;          // UB, L1, ..., or the name of a GM buffer
  int64_t begin = 0, end = 0;  // bytes in it; begin == end: not about bytes
  std::string message;
  std::string hint;          // what would repair it, if that is known
  uint64_t occurrences = 1;  // equal reports are counted, not listed
};

std::string to_text(const Site& site);  // "file:line"
std::string to_text(const Place& place);
std::string to_text(const Report& report);
std::string to_json(const std::vector<Report>& reports);

// Collects reports; those that differ only in addresses and cores become one.
class ReportList {
 public:
  void add(Report report);
  const std::vector<Report>& reports() const { return reports_; }
  void clear() { reports_.clear(); }

 private:
  std::vector<Report> reports_;
};

// The simulator itself is wrong or is asked for what it does not model: never a kernel's fault.
class SimulatorBug : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// The launch cannot be made: unknown kernel, arguments that do not fit, block_dim out of range.
class LaunchError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

}  // namespace ascsim
