// The observer that finds scalar accesses to GM which the cache of a core may serve wrongly.
#pragma once

#include <memory>

#include "ascsim/machine.h"

namespace ascsim {

std::unique_ptr<Observer> make_cache_check(Machine& machine);

}  // namespace ascsim
