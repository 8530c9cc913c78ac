// The observer that predicts time.
#pragma once

#include <memory>

#include "ascsim/machine.h"
#include "ascsim/timing.h"

namespace ascsim {

class Timeline : public Observer {
 public:
  virtual Timing result() = 0;
};

// Throws LaunchError for an unknown profile, naming those there are.
std::unique_ptr<Timeline> make_timeline(const std::string& profile, bool trace);

}  // namespace ascsim
