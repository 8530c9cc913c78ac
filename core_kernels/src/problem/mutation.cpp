#include "problem/mutation.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "fa/attention.h"

namespace fa {

#ifdef FA_MUTATION
static const char* active_mutant() {
  const char* name = std::getenv("FA_MUTANT");
  return name ? name : "";
}

bool mutant_is(const char* name) { return std::strcmp(active_mutant(), name) == 0; }

// Prefixed so that a mutation build is recognisable even while no defect is active.
std::string mutant_name() { return std::string("build:") + active_mutant(); }
#else
std::string mutant_name() { return ""; }
#endif

}  // namespace fa
