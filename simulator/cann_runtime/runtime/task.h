// One piece of work of a stream.
#pragma once

#include <functional>
#include <string>

#include "runtime/errors.h"

namespace ascsim::cann {

struct Task {
  std::string name;               // for messages: "aclnnAdd", "copy", a kernel's name
  std::function<Outcome()> work;  // may run more than once: graphs replay it
};

}  // namespace ascsim::cann
