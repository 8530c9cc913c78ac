#include "check/hazard.h"

namespace ascsim {
std::unique_ptr<Observer> make_hazard_check(Machine&) { return std::make_unique<Observer>(); }
}  // namespace ascsim
