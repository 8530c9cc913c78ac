// One instruction on its way: declares what it touches, is checked, then may act.
//
//   Instruction i(Pipe::kV, "Add", site);
//   i.require(repeat <= 255, Check::kParameter, [&] { return "repeat " + ...; });
//   i.reads(a); i.reads(b); i.writes(c);
//   i.work = VectorWork{...};
//   if (!i.begin(dtype)) return;
//   ... the operation itself on core().data(...)
#pragma once

#include <string>

#include "ascsim/core.h"
#include "ascsim/region.h"
#include "ascsim/report.h"
#include "ascsim/work.h"

namespace ascsim {

class Machine;

class Instruction {
 public:
  Instruction(Pipe pipe, const char* operation, Site site);
  Instruction(const Instruction&) = delete;
  Instruction& operator=(const Instruction&) = delete;

  Core& core() { return core_; }
  const char* operation() const { return operation_; }
  Site site() const { return site_; }
  bool valid() const { return valid_; }  // no defect of its parameters is known

  // Whether regions must be declared exactly. If not, one piece that covers all is enough.
  bool exact() const;

  // Bytes whose values are used. Unwritten ones make the results count as unwritten; for the scalar
  // unit, and for an instruction that writes GM, they are a defect.
  void reads(const Region& region);
  // Bytes that are only moved: being unwritten moves with them (see Machine::move).
  void moves_from(const Region& region);
  // Bytes written with values; they count as written from now on, unless unwritten ones were used.
  void writes(const Region& region);
  // Bytes written by a move; Machine::move copies what is known about them.
  void moves_to(const Region& region);
  // Bytes of GM that an atomic move combines with its own: a write whose bytes must have values.
  void updates(const Region& region);

  // Reports a defect of the kernel unless `ok`; the instruction is then not executed. `message` is
  // a function that makes the text: it costs nothing while all is well.
  template <typename Message>
  void require(bool ok, Check check, Message&& message) {
    if (!ok) fail(check, message());
  }
  // The instruction is part of a library function: it may use UB above 184 KiB.
  void of_library() { library_ = true; }
  void require_aligned(const Operand& operand, int64_t alignment, const char* what);

  // Runs the checks and the observers. False: do not execute (defective, or a timing-only run).
  // Integers are executed in timing-only runs too: they may steer the kernel.
  bool begin(DType data);

  // After begin: unwritten bytes were among those used, and all that is written was marked as
  // unwritten. An operation that knows better which results are concerned marks them again.
  bool used_unwritten() const { return undefined_; }
  // Set before begin by an operation that does so: what it writes then keeps its marks until it
  // marks them itself, since the marks of a source in place are needed for that.
  bool marks_results = false;

  Work work;
  // See Issued.
  bool in_order = true;
  uint8_t unit_flag = 0;

 private:
  bool backed() const;  // every GM buffer it touches has memory
  void fail(Check check, std::string message);
  void touch(std::vector<Region>& list, const Region& region, bool values, const char* verb);
  bool inside(const Region& region, const char* verb);
  bool inside_gm(const Region& region, const char* verb);
  bool inside_local(const Region& region, const char* verb);
  void fail_at(Check check, const Region& region, int64_t begin, int64_t end, std::string message);
  // If not: the first stretch of bytes that nothing has written.
  bool defined(const Region& region, int64_t* first, int64_t* last) const;
  void report_undefined(const Region& region, int64_t first, int64_t last, const char* verb);
  void check_defined();
  void mark_writes();

  Machine& machine_;
  Core& core_;
  Pipe pipe_;
  const char* operation_;
  Site site_;
  bool valid_ = true;
  bool library_ = false;
  bool undefined_ = false;
};

}  // namespace ascsim
