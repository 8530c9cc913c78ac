// For tests only: bytes of a local memory, past all instructions and checks.
#pragma once

#include <cstring>

#include "kernel_operator.h"

// Copies `bytes` bytes to `out`, and to `known` whether each has been written.
inline void peek(ascsim::Memory memory, uint64_t address, int64_t bytes, uint8_t* out,
                 uint8_t* known) {
  ascsim::Core& core = ascsim::machine().current();
  std::memcpy(out, core.data(memory, address), static_cast<size_t>(bytes));
  const ascsim::Shadow& shadow = core.memory(memory).shadow;
  for (int64_t b = 0; b < bytes; ++b) {
    known[b] = shadow.defined(static_cast<int64_t>(address) + b) ? 1 : 0;
  }
}

// Writes `bytes` bytes; those where `known` is 0 count as unwritten.
inline void poke(ascsim::Memory memory, uint64_t address, int64_t bytes, const uint8_t* in,
                 const uint8_t* known) {
  ascsim::Core& core = ascsim::machine().current();
  std::memcpy(core.data(memory, address), in, static_cast<size_t>(bytes));
  ascsim::Shadow& shadow = core.memory(memory).shadow;
  for (int64_t b = 0; b < bytes; ++b) {
    shadow.set(static_cast<int64_t>(address) + b, 1, known[b] != 0);
  }
}
