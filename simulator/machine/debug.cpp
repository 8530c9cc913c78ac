// For a debugger: to be called at a breakpoint in a kernel. See "Debugging a kernel" in README.md.
#include <cstring>

#include "ascsim/machine.h"

// The core that runs: "AIC 0", "AIV 0.1".
extern "C" const char* ascsim_core() {
  static std::string text;
  text = to_text(ascsim::machine().current());
  return text.c_str();
}

// For conditions of breakpoints: GetBlockIdx() counts AIVs, these count blocks and AIVs in them.
extern "C" int ascsim_block() { return ascsim::machine().current().block(); }
extern "C" int ascsim_sub_block() { return ascsim::machine().current().sub_block(); }

// Where a byte of the running core's UB, L1, L0A, L0B, L0C, BT or FB is in this process; null if
// the core has no such memory.
extern "C" void* ascsim_memory(const char* name, unsigned long address) {
  ascsim::Core& core = ascsim::machine().current();
  for (int i = 1; i <= ascsim::kLocalMemories; ++i) {
    const auto memory = static_cast<ascsim::Memory>(i);
    if (std::strcmp(name, ascsim::name_of(memory)) != 0) continue;
    return address < core.memory(memory).bytes.size() ? core.data(memory, address) : nullptr;
  }
  return nullptr;
}

// The reports so far.
extern "C" const char* ascsim_reports() {
  static std::string text;
  text.clear();
  for (const ascsim::Report& report : ascsim::machine().reports.reports()) {
    text += to_text(report) + "\n";
  }
  return text.c_str();
}
