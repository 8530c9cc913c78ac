#include "check/hint.h"

namespace ascsim {

namespace {

std::string cross_core_hint(const PipeOfCore& earlier, const PipeOfCore& later, const char* what) {
  const bool same_kind = earlier.core->kind() == later.core->kind();
  const bool same_block = earlier.core->block() == later.core->block();
  if (!same_block && !same_kind) return "SyncAll<false>() on all cores between them";
  // Mode 2 is between the AIC and the AIVs of a core, 1 between these AIVs, 0 between all of a
  // kind.
  const char* mode = !same_kind ? "2" : same_block ? "1" : "0";
  std::string text = std::string("CrossCoreSetFlag<") + mode + ", PIPE_" + name_of(earlier.pipe) +
                     "> on " + to_text(*earlier.core) + " after it, and CrossCoreWaitFlag on " +
                     to_text(*later.core) + " before the " + what;
  if (same_kind && !same_block) text += " (all cores of the kind must set it), or SyncAll()";
  return text;
}

}  // namespace

// Tables 2 and 3 of the page "核内同步能力概述" (legal combinations on 2201), and the list in
// "SetFlag-WaitFlag(ISASI)".
bool has_event(CoreKind kind, Pipe from, Pipe to) {
  const auto bit = [](Pipe pipe) { return 1u << static_cast<int>(pipe); };
  if (from == to || from == Pipe::kAll || to == Pipe::kAll) return false;
  if (kind == CoreKind::kAiv) {
    const unsigned pipes = bit(Pipe::kS) | bit(Pipe::kV) | bit(Pipe::kMte2) | bit(Pipe::kMte3);
    return (bit(from) & pipes) != 0 && (bit(to) & pipes) != 0;
  }
  switch (from) {
    case Pipe::kM:
      return to == Pipe::kMte1 || to == Pipe::kMte2 || to == Pipe::kFix;
    case Pipe::kMte1:
      return to == Pipe::kM || to == Pipe::kMte2 || to == Pipe::kMte3 || to == Pipe::kFix;
    case Pipe::kMte2:
      return to == Pipe::kM || to == Pipe::kMte1 || to == Pipe::kMte3 || to == Pipe::kFix;
    case Pipe::kMte3:
      return to == Pipe::kMte1 || to == Pipe::kMte2;
    // The page lists FIX -> MTE2 and MTE2 -> FIX as existing without a use case.
    case Pipe::kFix:
      return to == Pipe::kM || to == Pipe::kMte1 || to == Pipe::kMte2 || to == Pipe::kMte3;
    default:
      return false;
  }
}

std::string ordering_hint(const PipeOfCore& earlier, const PipeOfCore& later, const char* what) {
  if (earlier.core != later.core) return cross_core_hint(earlier, later, what);
  const std::string from = name_of(earlier.pipe), to = name_of(later.pipe);
  if (earlier.pipe == later.pipe) return "PipeBarrier<PIPE_" + from + "> between them";
  if (!has_event(later.core->kind(), earlier.pipe, later.pipe)) {
    return "PipeBarrier<PIPE_ALL> between them";
  }
  return "SetFlag/WaitFlag<HardEvent::" + from + "_" + to + "> between them";
}

}  // namespace ascsim
