#include "ascsim/instruction.h"

#include <algorithm>

#include "ascsim/machine.h"

namespace ascsim {

namespace {

Operand operand_of(const Region& region) {
  Operand operand;
  operand.memory = region.memory;
  operand.buffer = region.buffer;
  operand.address = region.base;
  return operand;
}

}  // namespace

Instruction::Instruction(Pipe pipe, const char* operation, Site site)
    : machine_(machine()),
      core_(machine_.current()),
      pipe_(pipe),
      operation_(operation),
      site_(site) {
  machine_.reads_.clear();
  machine_.writes_.clear();
}

bool Instruction::exact() const { return machine_.wants_regions_ || machine_.options_.checks; }

void Instruction::fail(Check check, std::string message) {
  valid_ = false;
  machine_.report(check, name_of(check), machine_.place(pipe_, operation_, site_),
                  std::move(message));
}

// GM buffers count as aligned themselves, as the device's allocations are; the host's are not.
void Instruction::require_aligned(const Operand& operand, int64_t alignment, const char* what) {
  if (!machine_.options_.checks) return;
  uint64_t address = operand.address;
  if (operand.memory == Memory::kGm && operand.buffer >= 0) {
    address -= machine_.gm.at(operand.buffer).address;
  }
  if (address % static_cast<uint64_t>(alignment) == 0) return;
  fail(Check::kAlignment, std::string(what) + ": " + machine_.memory_name(operand) + " address " +
                              std::to_string(address) + " is not a multiple of " +
                              std::to_string(alignment) + " bytes");
}

void Instruction::reads(const Region& region) { touch(machine_.reads_, region, true, "reads"); }

void Instruction::moves_from(const Region& region) {
  touch(machine_.reads_, region, false, "reads");
}

void Instruction::writes(const Region& region) { touch(machine_.writes_, region, true, "writes"); }

void Instruction::moves_to(const Region& region) {
  touch(machine_.writes_, region, false, "writes");
}

void Instruction::updates(const Region& region) {
  const size_t before = machine_.writes_.size();
  touch(machine_.writes_, region, false, "writes");
  if (machine_.writes_.size() > before) machine_.writes_.back().updated = true;
}

void Instruction::touch(std::vector<Region>& list, const Region& region, bool values,
                        const char* verb) {
  if (region.empty()) return;
  if (!inside(region, verb)) {
    valid_ = false;
    return;
  }
  list.push_back(region);
  list.back().values = values;
}

// Always checked, whatever the options: the simulator must not touch foreign memory.
bool Instruction::inside(const Region& region, const char* verb) {
  return region.memory == Memory::kGm ? inside_gm(region, verb) : inside_local(region, verb);
}

bool Instruction::inside_gm(const Region& region, const char* verb) {
  if (region.buffer < 0) {
    fail(Check::kGmBounds, std::string(verb) + " an address that no buffer of the launch covers");
    return false;
  }
  const GmBuffer& buffer = machine_.gm.at(region.buffer);
  const int64_t begin = region.begin() - static_cast<int64_t>(buffer.address);
  const int64_t end = region.end() - static_cast<int64_t>(buffer.address);
  if (begin >= 0 && end <= buffer.bytes) return true;
  fail_at(Check::kGmBounds, region, begin, end,
          std::string(verb) + " outside of a buffer of " + std::to_string(buffer.bytes) + " bytes");
  return false;
}

bool Instruction::inside_local(const Region& region, const char* verb) {
  const auto capacity = static_cast<int64_t>(core_.memory(region.memory).bytes.size());
  if (capacity == 0) {
    fail(Check::kCapacity,
         std::string(name_of(core_.kind())) + " has no " + name_of(region.memory));
    return false;
  }
  const int64_t begin = region.begin(), end = region.end();
  if (begin < 0 || end > capacity) {
    fail_at(Check::kCapacity, region, begin, end,
            std::string(verb) + " outside of the " + std::to_string(capacity) + " bytes of " +
                name_of(region.memory));
    return false;
  }
  if (!machine_.options_.checks) return true;
  const bool reserved = region.memory == Memory::kUb || region.memory == Memory::kL1;
  if (reserved && end > capacity - Soc::kReservedBytes) {
    fail_at(Check::kCapacity, region, begin, end,
            std::string(verb) + " the last " + std::to_string(Soc::kReservedBytes) + " bytes of " +
                name_of(region.memory) + ", which belong to the system");
    return false;
  }
  if (region.memory == Memory::kUb && machine_.options_.reserved_temporaries && !library_ &&
      end > Soc::kUbTemporaryBegin) {
    fail_at(Check::kCapacity, region, begin, end,
            std::string(verb) + " UB from byte " + std::to_string(Soc::kUbTemporaryBegin) +
                " on, where library functions keep temporaries (unless the kernel is compiled with "
                "--cce-disable-asc-reserved-ubuf)");
    return false;
  }
  return true;
}

void Instruction::fail_at(Check check, const Region& region, int64_t begin, int64_t end,
                          std::string message) {
  valid_ = false;
  Report report;
  report.check = check;
  report.kind = name_of(check);
  report.place = machine_.place(pipe_, operation_, site_);
  report.memory = machine_.memory_name(operand_of(region));
  report.begin = begin;
  report.end = end;
  report.message = std::move(message);
  machine_.report(std::move(report));
}

bool Instruction::defined(const Region& region, int64_t* first, int64_t* last) const {
  const Operand at = operand_of(region);
  int64_t offset = 0;
  const Shadow& shadow = machine_.shadow(at, &offset);
  if (!shadow.on()) return true;
  int64_t found = -1;
  region.for_each_run([&](uint64_t begin, uint64_t length) {
    if (found >= 0) return;
    const int64_t start = offset + static_cast<int64_t>(begin - region.base);
    found = shadow.first_undefined(start, static_cast<int64_t>(length));
    const int64_t stop = start + static_cast<int64_t>(length);
    for (*last = found + 1; found >= 0 && *last < stop && !shadow.defined(*last);) ++*last;
  });
  *first = found;
  return found < 0;
}

// Unwritten bytes are no defect while they stay on the chip: kernels compute on whole tiles and
// store only what is valid. They become one when they reach GM or the scalar unit.
void Instruction::check_defined() {
  const auto to_gm = [](const Region& r) { return r.memory == Memory::kGm; };
  const bool stores = std::any_of(machine_.writes_.begin(), machine_.writes_.end(), to_gm);
  int64_t first = -1, last = -1;
  for (const Region& region : machine_.reads_) {
    if (defined(region, &first, &last)) continue;
    if (region.values) undefined_ = true;
    if (pipe_ == Pipe::kS || stores) {
      report_undefined(region, first, last, stores ? "stores" : "uses");
    }
  }
  for (const Region& region : machine_.writes_) {
    if (region.updated && !defined(region, &first, &last)) {
      report_undefined(region, first, last, "updates");
    }
  }
}

void Instruction::report_undefined(const Region& region, int64_t first, int64_t last,
                                   const char* verb) {
  Report report;
  report.check = Check::kUninitialized;
  report.kind = name_of(Check::kUninitialized);
  report.place = machine_.place(pipe_, operation_, site_);
  report.memory = machine_.memory_name(operand_of(region));
  report.begin = first;
  report.end = last;
  report.message = std::string(verb) + " byte " + std::to_string(first) + " of " + report.memory +
                   ", which nothing has written";
  machine_.report(std::move(report));
}

void Instruction::mark_writes() {
  if (undefined_ && marks_results) return;
  for (const Region& region : machine_.writes_) {
    if (!region.values) continue;
    int64_t offset = 0;
    Shadow& shadow = machine_.shadow(operand_of(region), &offset);
    if (!shadow.on()) continue;
    region.for_each_run([&](uint64_t begin, uint64_t length) {
      shadow.set(offset + static_cast<int64_t>(begin - region.base), static_cast<int64_t>(length),
                 !undefined_);
    });
  }
}

bool Instruction::begin(DType data) {
  const Options& options = machine_.options_;
  if (valid_) {
    // A run without arithmetic does not know what is written.
    if (options.checks && options.execute) check_defined();
    if (!machine_.observers.empty()) {
      const Issued issued{core_, pipe_,    operation_, site_, machine_.reads_, machine_.writes_,
                          work,  in_order, unit_flag};
      for (Observer* observer : machine_.observers) observer->instruction(issued);
    }
    if (options.checks) mark_writes();
  }
  ++core_.issued[static_cast<size_t>(pipe_)];
  const bool acts = valid_ && (options.execute || (!is_floating(data) && backed()));
  machine_.step();  // other cores may run, and issue what they like: the regions are theirs then
  return acts;
}

bool Instruction::backed() const {
  const auto without_memory = [&](const Region& r) {
    return r.memory == Memory::kGm && r.buffer >= 0 && !machine_.gm.at(r.buffer).backed;
  };
  for (const Region& r : machine_.reads_) {
    if (!without_memory(r)) continue;
    if (pipe_ != Pipe::kS) return false;
    throw LaunchError(std::string(operation_) + " reads an integer from " +
                      machine_.gm.at(r.buffer).name + ", which has no memory");
  }
  return std::none_of(machine_.writes_.begin(), machine_.writes_.end(), without_memory);
}

}  // namespace ascsim
