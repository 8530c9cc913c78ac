// The observer that finds accesses which nothing orders.
#pragma once

#include <memory>

#include "ascsim/machine.h"

namespace ascsim {

std::unique_ptr<Observer> make_hazard_check(Machine& machine);

}  // namespace ascsim
