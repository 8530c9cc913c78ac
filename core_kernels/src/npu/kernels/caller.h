#pragma once

// Where a small synchronisation function was called from, so that the simulator's reports and
// deliberate defects name that line. On the chip it is nothing.

#include "kernel_operator.h"

namespace fa::npu {

#ifdef ASC_KERNEL
using Caller = AscendC::Site;
#define FA_AT(caller) , caller
#define FA_ONLY_AT(caller) caller
#else
struct Caller {
  __aicore__ static constexpr Caller here() { return {}; }
};
#define FA_AT(caller)
#define FA_ONLY_AT(caller)
#endif

}  // namespace fa::npu
