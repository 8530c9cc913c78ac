// Scalar unit (pipe S).
#include "ascsim/ops_scalar.h"

#include <cstring>
#include <string>

#include "ascsim/instruction.h"
#include "ascsim/machine.h"

namespace ascsim {

void scalar_load(const Operand& from, void* value, int bytes, Site site) {
  Instruction i(Pipe::kS, "GetValue", site);
  i.reads(region(from, bytes));
  i.work = ScalarWork{ScalarKind::kLoad, 1};
  std::memset(value, 0, static_cast<size_t>(bytes));
  if (i.begin(from.dtype)) std::memcpy(value, machine().pointer(from), static_cast<size_t>(bytes));
}

void scalar_store(const Operand& to, const void* value, int bytes, Site site) {
  Instruction i(Pipe::kS, "SetValue", site);
  i.writes(region(to, bytes));
  i.work = ScalarWork{ScalarKind::kStore, 1};
  if (i.begin(to.dtype)) std::memcpy(machine().pointer(to), value, static_cast<size_t>(bytes));
}

void cache_clean(const Operand& at, bool entire, Site site) {
  Instruction i(Pipe::kS, "DataCacheCleanAndInvalid", site);
  i.work = ScalarWork{ScalarKind::kCacheClean, 1, at.address, entire};
  i.begin(DType::kNone);
}

// The mode stays as SetMaskCount or SetMaskNorm left it: the template argument of SetVectorMask
// only says how a length is turned into register bits.
void set_mask(uint64_t high, uint64_t low, Site site) {
  if (machine().current().kind() == CoreKind::kAic) return;  // AIVs only, as all of its users
  Instruction i(Pipe::kS, "SetVectorMask", site);
  i.work = ScalarWork{ScalarKind::kMoveMask, 1};
  i.begin(DType::kNone);
  ScalarState& state = i.core().state;
  state.mask_high = state.asked_high = high;
  state.mask_low = state.asked_low = low;
  state.mask_preset = true;
}

void set_mask_mode(bool counter, Site site) {
  if (machine().current().kind() == CoreKind::kAic) return;
  Instruction i(Pipe::kS, counter ? "SetMaskCount" : "SetMaskNorm", site);
  i.work = ScalarWork{ScalarKind::kSetState, 1};
  i.begin(DType::kNone);
  i.core().state.mask_counter = i.core().state.asked_counter = counter;
}

void reset_mask(Site site) {
  set_mask(~uint64_t{0}, ~uint64_t{0}, site);
  machine().current().state.mask_preset = false;
}

void set_deq_scale(float scale, Site site) {
  Instruction i(Pipe::kS, "SetDeqScale", site);
  i.work = ScalarWork{ScalarKind::kSetState, 1};
  i.begin(DType::kNone);
  i.core().state.deq_scale = scale;
  i.core().state.deq_scale_set = true;
}

void set_atomic(AtomicOp op, DType dtype, Site site) {
  Instruction i(Pipe::kS, "SetAtomic", site);
  // "SetAtomicAdd", "SetAtomicMax", "SetAtomicMin", "SetAtomicType" pages: types of Atlas A2/A3.
  const bool known = is_floating(dtype) || dtype == DType::kInt8 || dtype == DType::kInt16 ||
                     dtype == DType::kInt32;
  i.require(op == AtomicOp::kNone || known, Check::kParameter, [&] {
    return std::string("atomic moves take int8, int16, int32, half, bfloat16 and float, not ") +
           name_of(dtype);
  });
  i.work = ScalarWork{ScalarKind::kSetState, 1};
  i.begin(DType::kNone);
  if (!i.valid()) return;
  ScalarState& state = i.core().state;
  state.atomic = op;
  state.atomic_dtype = dtype;
  state.atomic_site = site;
}

void kernel_assertion(const char* text, Site site) {
  Machine& m = machine();
  m.report(Check::kAssertion, "assertion", m.place(Pipe::kS, "assert", site),
           std::string(text) + " does not hold");
  m.stop();
}

}  // namespace ascsim
