// Runs work so that a forbidden access or an exception in it ends the work, not the process.
#pragma once

#include <functional>

#include "runtime/errors.h"

namespace ascsim::cann {

// What the work returns; kRtAicoreException with a description if it was interrupted. Objects on
// the stack of interrupted work are not destroyed.
Outcome run_guarded(const std::function<Outcome()>& work);

}  // namespace ascsim::cann
