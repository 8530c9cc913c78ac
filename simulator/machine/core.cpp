#include "ascsim/core.h"

namespace ascsim {

Core::Core(int index, CoreKind kind, int block, int sub_block)
    : flags{}, index_(index), kind_(kind), block_(block), sub_block_(sub_block) {
  const bool aic = kind == CoreKind::kAic;
  for (int i = 0; i < kLocalMemories; ++i) {
    const Memory memory = static_cast<Memory>(i + 1);
    const bool has = (memory == Memory::kUb) != aic;
    if (!has) continue;
    // Poison: 0xff bytes are a NaN in every floating-point type.
    memories_[static_cast<size_t>(i)].bytes.assign(static_cast<size_t>(capacity_of(memory)), 0xff);
  }
  if (aic) unit_flags.assign(Soc::kL0cBytes / kFractalBytes, 0);
}

std::string to_text(const Core& core) {
  std::string text = std::string(name_of(core.kind())) + " " + std::to_string(core.block());
  if (core.kind() == CoreKind::kAiv) text += "." + std::to_string(core.sub_block());
  return text;
}

}  // namespace ascsim
