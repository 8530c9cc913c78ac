#pragma once

#include "registry/backend.h"

namespace fa {

extern const Backend kNpuBackend;

}  // namespace fa
