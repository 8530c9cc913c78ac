#include "runtime/counters.h"

#include <cstring>

#include "ascsim_cann.h"

namespace ascsim::cann {

Counters& counters() {
  static Counters all;
  return all;
}

}  // namespace ascsim::cann

int64_t ascsim_counter(const char* name) {
  const auto& all = ascsim::cann::counters();
#define ASCSIM_COUNTER(counter) \
  if (std::strcmp(name, #counter) == 0) return all.counter.load();
  ASCSIM_COUNTERS(ASCSIM_COUNTER)
#undef ASCSIM_COUNTER
  return -1;
}

const char* ascsim_counter_names(void) {
#define ASCSIM_COUNTER(counter) " " #counter
  return ASCSIM_COUNTERS(ASCSIM_COUNTER) + 1;
#undef ASCSIM_COUNTER
}
