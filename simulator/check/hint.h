// Which flag or barrier would order two accesses.
#pragma once

#include <string>

#include "ascsim/core.h"
#include "ascsim/types.h"

namespace ascsim {

struct PipeOfCore {
  const Core* core = nullptr;
  Pipe pipe = Pipe::kS;
};

// Text for a report; `what` names the later access ("read", "write").
std::string ordering_hint(const PipeOfCore& earlier, const PipeOfCore& later, const char* what);

// Whether the hardware has events from one pipe to another on this kind of core.
bool has_event(CoreKind kind, Pipe from, Pipe to);

}  // namespace ascsim
