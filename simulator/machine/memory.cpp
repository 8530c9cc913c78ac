// Machine: addresses, moves, poison.
#include <cmath>
#include <cstring>

#include "ascsim/machine.h"
#include "ascsim/numeric.h"

namespace ascsim {

namespace {

Shadow g_no_shadow;  // off

}  // namespace

uint8_t* Machine::pointer(const Operand& operand) {
  if (operand.memory == Memory::kGm) return reinterpret_cast<uint8_t*>(operand.address);
  return current_->data(operand.memory, operand.address);
}

Shadow& Machine::shadow(const Operand& operand, int64_t* offset) {
  if (operand.memory != Memory::kGm) {
    *offset = static_cast<int64_t>(operand.address);
    return current_->memory(operand.memory).shadow;
  }
  *offset = 0;
  if (operand.buffer < 0) return g_no_shadow;
  GmBuffer& buffer = gm.at(operand.buffer);
  *offset = static_cast<int64_t>(operand.address - buffer.address);
  return buffer.shadow;
}

void Machine::move(const Operand& to, const Operand& from, int64_t bytes) {
  if (bytes <= 0) return;
  uint8_t* target = pointer(to);
  const uint8_t* source = pointer(from);
  const ScalarState& state = current_->state;
  if (to.memory == Memory::kGm && state.atomic != AtomicOp::kNone) {
    combine_atomic(state.atomic, state.atomic_dtype, target, source, bytes);
  } else {
    std::memcpy(target, source, static_cast<size_t>(bytes));
  }
  int64_t to_offset = 0, from_offset = 0;
  Shadow& to_shadow = shadow(to, &to_offset);
  const Shadow& from_shadow = shadow(from, &from_offset);
  Shadow::copy(to_shadow, to_offset, from_shadow, from_offset, bytes);
}

void Machine::poison(const Operand& at, int64_t bytes) {
  if (bytes <= 0) return;
  std::memset(pointer(at), 0xff, static_cast<size_t>(bytes));
  int64_t offset = 0;
  shadow(at, &offset).set(offset, bytes, false);
}

std::string Machine::memory_name(const Operand& operand) const {
  if (operand.memory != Memory::kGm) return name_of(operand.memory);
  return operand.buffer < 0 ? "GM (no buffer)" : "GM " + gm.at(operand.buffer).name;
}

}  // namespace ascsim
