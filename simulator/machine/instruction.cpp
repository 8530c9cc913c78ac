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

std::string range_text(int64_t begin, int64_t end) {
  return "[" + std::to_string(begin) + ", " + std::to_string(end) + ")";
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

void Instruction::require_aligned(const Operand& operand, int64_t alignment, const char* what) {
  if (!machine_.options_.checks || operand.address % static_cast<uint64_t>(alignment) == 0) return;
  fail(Check::kAlignment, std::string(what) + ": " + machine_.memory_name(operand) + " address " +
                              std::to_string(operand.address) + " is not a multiple of " +
                              std::to_string(alignment) + " bytes");
}

void Instruction::reads(const Region& region) {
  touch(machine_.reads_, region, true, "reads");
}

void Instruction::moves_from(const Region& region) {
  touch(machine_.reads_, region, false, "reads");
}

void Instruction::writes(const Region& region) {
  touch(machine_.writes_, region, true, "writes");
}

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
  const Operand at = operand_of(region);
  int64_t begin = region.begin(), end = region.end();
  int64_t low = 0, high = 0;
  Check check = Check::kCapacity;
  if (region.memory == Memory::kGm) {
    check = Check::kGmBounds;
    if (region.buffer >= 0) {
      const GmBuffer& buffer = machine_.gm.at(region.buffer);
      begin -= static_cast<int64_t>(buffer.address);
      end -= static_cast<int64_t>(buffer.address);
      high = buffer.bytes;
    }
  } else {
    high = static_cast<int64_t>(core_.memory(region.memory).bytes.size());
    if (high == 0) {
      fail(Check::kCapacity, std::string(name_of(core_.kind())) + " has no " +
                                 name_of(region.memory));
      return false;
    }
    if (machine_.options_.checks &&
        (region.memory == Memory::kUb || region.memory == Memory::kL1)) {
      high -= Soc::kReservedBytes;
    }
  }
  if (begin >= low && end <= high) return true;
  Report report;
  report.check = check;
  report.kind = name_of(check);
  report.place = machine_.place(pipe_, operation_, site_);
  report.memory = machine_.memory_name(at);
  report.begin = begin;
  report.end = end;
  report.message = std::string(verb) + " bytes " + range_text(begin, end) + " of " +
                   report.memory + ", which has " + range_text(low, high);
  machine_.report(std::move(report));
  return false;
}

bool Instruction::defined(const Region& region, int64_t* first) const {
  const Operand at = operand_of(region);
  int64_t offset = 0;
  const Shadow& shadow = machine_.shadow(at, &offset);
  if (!shadow.on()) return true;
  int64_t found = -1;
  region.for_each_run([&](uint64_t begin, uint64_t length) {
    if (found >= 0) return;
    const int64_t start = offset + static_cast<int64_t>(begin - region.base);
    found = shadow.first_undefined(start, static_cast<int64_t>(length));
  });
  *first = found;
  return found < 0;
}

// Unwritten bytes are no defect while they stay on the chip: kernels compute on whole tiles and store
// only what is valid. They become one when they reach GM or the scalar unit.
void Instruction::check_defined() {
  const auto to_gm = [](const Region& r) { return r.memory == Memory::kGm; };
  const bool stores = std::any_of(machine_.writes_.begin(), machine_.writes_.end(), to_gm);
  int64_t first = -1;
  for (const Region& region : machine_.reads_) {
    if (defined(region, &first)) continue;
    if (region.values) undefined_ = true;
    if (pipe_ == Pipe::kS || stores) report_undefined(region, first, stores ? "stores" : "uses");
  }
  for (const Region& region : machine_.writes_) {
    if (region.updated && !defined(region, &first)) report_undefined(region, first, "updates");
  }
}

void Instruction::report_undefined(const Region& region, int64_t first, const char* verb) {
  Report report;
  report.check = Check::kUninitialized;
  report.kind = name_of(Check::kUninitialized);
  report.place = machine_.place(pipe_, operation_, site_);
  report.memory = machine_.memory_name(operand_of(region));
  report.begin = first;
  report.end = first + 1;
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
    if (options.checks) check_defined();
    if (!machine_.observers.empty()) {
      const Issued issued{core_,           pipe_,            operation_, site_,
                          machine_.reads_, machine_.writes_, work,       in_order,
                          unit_flag};
      for (Observer* observer : machine_.observers) observer->instruction(issued);
    }
    if (options.checks) mark_writes();
  }
  machine_.step();
  if (!valid_ || options.execute) return valid_;
  return !is_floating(data) && backed();
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
